import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PythonJob, PythonResult, SandboxDriver } from './sandbox-driver.js';
import { hostArchitecture, syscallNumbers } from './seccomp/syscall-numbers.js';

export interface SelfTestCheck {
  check: string;
  ok: boolean;
  /** What was seen. For the operator; names nothing of the host. */
  detail: string;
}

/** Every wall that self_test.py tries, so that one it does not report counts as broken. */
const WALLS = [
  'not_host_root',
  'seccomp_active',
  'no_proc',
  'read_only',
  'host_files_hidden',
  'loopback_unreachable',
  'sockets_refused',
  'processes_refused',
  'namespaces_refused',
  'exec_refused',
] as const;

const PROBE = readFileSync(new URL('./python/self_test.py', import.meta.url), 'utf8');
const SMALL: Pick<PythonJob, 'timeoutSeconds' | 'maxMemoryMb'> = { timeoutSeconds: 10, maxMemoryMb: 128 };

/**
 * Proves from inside, with the arguments that jobs get, that the walls stand: a version number proves nothing. Never
 * throws: a driver that cannot start a sandbox is one failed check. Takes about half a second.
 */
export async function testSandbox(driver: SandboxDriver): Promise<SelfTestCheck[]> {
  try {
    const [walls, ...limits] = await Promise.all([
      testWalls(driver),
      testNumpy(driver),
      testMemoryLimit(driver),
      testTimeLimit(driver),
    ]);
    return [{ check: 'starts', ok: true, detail: driver.name }, ...walls, ...limits];
  } catch (error) {
    return [{ check: 'starts', ok: false, detail: error instanceof Error ? error.message : String(error) }];
  }
}

async function testWalls(driver: SandboxDriver): Promise<SelfTestCheck[]> {
  const folder = await mkdtemp(join(tmpdir(), 'holdpoint-canary-'));
  const canaryFile = join(folder, 'canary');
  await writeFile(canaryFile, randomUUID());
  const server = await listenOnLoopback();
  try {
    const job = { ...SMALL, code: PROBE, resultVariable: 'checks', globals: describeCanaries(canaryFile, server) };
    return readWalls(await driver.run(job));
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
}

function describeCanaries(canaryFile: string, server: Server) {
  const numbers = syscallNumbers[hostArchitecture() ?? 'x86_64'];
  return {
    canary_file: canaryFile,
    canary_port: (server.address() as AddressInfo).port,
    fork_call: numbers['clone'],
    unshare_call: numbers['unshare'],
    exec_call: numbers['execve'],
  };
}

function listenOnLoopback(): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer((socket) => socket.destroy());
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => resolve(server));
  return promise;
}

function readWalls(result: PythonResult): SelfTestCheck[] {
  const reported = (result.output ?? {}) as Record<string, [boolean, string] | undefined>;
  return WALLS.map((check) => {
    const [ok, detail] = reported[check] ?? [false, `the probe ended early: ${describe(result)}`];
    return { check, ok: ok && result.outcome === 'succeeded', detail };
  });
}

async function testNumpy(driver: SandboxDriver): Promise<SelfTestCheck> {
  const code = 'import numpy\noutput = float(numpy.linalg.det(numpy.eye(3) * 2))';
  const result = await driver.run({ ...SMALL, code, resultVariable: 'output' });
  const ok = result.outcome === 'succeeded' && Math.abs((result.output as number) - 8) < 1e-9;
  return { check: 'numpy_works', ok, detail: describe(result) };
}

async function testMemoryLimit(driver: SandboxDriver): Promise<SelfTestCheck> {
  const result = await driver.run({ ...SMALL, maxMemoryMb: 64, code: 'held = bytearray(256 << 20)' });
  return { check: 'memory_limited', ok: result.outcome === 'out_of_memory', detail: describe(result) };
}

async function testTimeLimit(driver: SandboxDriver): Promise<SelfTestCheck> {
  const result = await driver.run({ ...SMALL, timeoutSeconds: 0.2, code: 'while True: pass' });
  const ok = result.outcome === 'timed_out' && result.execution_time < 2;
  return { check: 'time_limited', ok, detail: describe(result) };
}

function describe({ outcome, error_type: type, error_message: message }: PythonResult): string {
  return type ? `${outcome} (${type}: ${message})` : outcome;
}
