import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  SandboxBusyError,
  SandboxUnavailableError,
  type CodeJob,
  type CodeResult,
  type SandboxDriver,
} from './sandbox-driver.js';
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
const JAVASCRIPT_PROBE = readFileSync(new URL('./javascript/self_test.js', import.meta.url), 'utf8');
const SMALL = { language: 'python', timeoutSeconds: 10, maxMemoryMb: 128 } as const;

/**
 * Proves from inside, with the arguments that jobs get, that the walls stand: a version number proves nothing. Never
 * throws: a driver that cannot start a sandbox is one failed check. Takes about half a second.
 */
export async function testSandbox(driver: SandboxDriver): Promise<SelfTestCheck[]> {
  try {
    const [walls, ...limits] = await Promise.all([
      testWalls(driver),
      testNumpy(driver),
      testJavascript(driver),
      testMemoryLimit(driver),
      testTimeLimit(driver),
    ]);
    const starts = { check: 'starts', ok: true, detail: driver.name };
    return [starts, ...walls, ...limits, ...describeControlGroups(driver)];
  } catch (error) {
    return [{ check: 'starts', ok: false, detail: error instanceof Error ? error.message : String(error) }];
  }
}

/** A host without them is no failure: the other limits hold. Where there are some, the jobs before have been in them. */
function describeControlGroups({ controlGroups }: SandboxDriver): SelfTestCheck[] {
  return controlGroups === undefined ? [] : [{ check: 'control_groups', ok: true, detail: controlGroups }];
}

async function testWalls(driver: SandboxDriver): Promise<SelfTestCheck[]> {
  // Without walls the probe would fork and replace itself.
  if (driver.warning) return WALLS.map((check) => ({ check, ok: false, detail: 'Not tried: there is no wall.' }));
  const folder = await mkdtemp(join(tmpdir(), 'holdpoint-canary-'));
  const canaryFile = join(folder, 'canary');
  await writeFile(canaryFile, randomUUID());
  const server = await listenOnLoopback();
  try {
    const job = { ...SMALL, code: PROBE, resultVariable: 'checks', globals: describeCanaries(canaryFile, server) };
    return readWalls(await run(driver, job));
  } finally {
    server?.close();
    await rm(folder, { recursive: true });
  }
}

function describeCanaries(canaryFile: string, server: Server | null) {
  const numbers = syscallNumbers[hostArchitecture() ?? 'x86_64'];
  return {
    canary_file: canaryFile,
    canary_port: server ? (server.address() as AddressInfo).port : null,
    fork_call: numbers['clone'],
    unshare_call: numbers['unshare'],
    exec_call: numbers['execve'],
  };
}

/** What socket() and bind() answer to a process that has no network itself, as a side-car should not. */
const NO_NETWORK = ['EPERM', 'EACCES', 'EAFNOSUPPORT', 'EADDRNOTAVAIL'];

/** Null in a process without network: the probe then demands that it gets no socket at all. */
function listenOnLoopback(): Promise<Server | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Server | null>();
  const server = createServer((socket) => socket.destroy());
  server.once('error', (error: NodeJS.ErrnoException) => {
    if (NO_NETWORK.includes(error.code ?? '')) resolve(null);
    else reject(error);
  });
  server.listen(0, '127.0.0.1', () => resolve(server));
  return promise;
}

function readWalls(result: CodeResult): SelfTestCheck[] {
  const reported = (result.output ?? {}) as Record<string, [boolean, string] | undefined>;
  return WALLS.map((check) => {
    const [ok, detail] = reported[check] ?? [false, `the probe ended early: ${describe(result)}`];
    return { check, ok: ok && result.outcome === 'succeeded', detail };
  });
}

async function testNumpy(driver: SandboxDriver): Promise<SelfTestCheck> {
  const code = 'import numpy\noutput = float(numpy.linalg.det(numpy.eye(3) * 2))';
  const result = await run(driver, { ...SMALL, code, resultVariable: 'output' });
  const ok = result.outcome === 'succeeded' && Math.abs((result.output as number) - 8) < 1e-9;
  return { check: 'numpy_works', ok, detail: describe(result) };
}

/** The walls are those that Python tried; what differs is the seal, and the launch fails where that lets an exec through. */
async function testJavascript(driver: SandboxDriver): Promise<SelfTestCheck> {
  const check = 'javascript_contained';
  try {
    const result = await run(driver, {
      ...SMALL,
      language: 'javascript',
      code: JAVASCRIPT_PROBE,
      resultVariable: 'output',
    });
    const refusals = JSON.stringify(result.output);
    const ok = result.outcome === 'succeeded' && refusals === '["EPERM","EAFNOSUPPORT","ENOENT"]';
    return { check, ok, detail: `${describe(result)} ${refusals}` };
  } catch (error) {
    if (!(error instanceof SandboxUnavailableError)) throw error;
    return { check, ok: true, detail: 'JavaScript is not offered here' };
  }
}

async function testMemoryLimit(driver: SandboxDriver): Promise<SelfTestCheck> {
  const result = await run(driver, { ...SMALL, maxMemoryMb: 64, code: 'held = bytearray(256 << 20)' });
  return { check: 'memory_limited', ok: result.outcome === 'out_of_memory', detail: describe(result) };
}

async function testTimeLimit(driver: SandboxDriver): Promise<SelfTestCheck> {
  const result = await run(driver, { ...SMALL, timeoutSeconds: 0.2, code: 'while True: pass' });
  const ok = result.outcome === 'timed_out' && result.execution_time < 2;
  return { check: 'time_limited', ok, detail: describe(result) };
}

/** That others have taken all sandboxes says nothing of the walls: then it waits, and the verdict before stays in force. */
async function run(driver: SandboxDriver, job: CodeJob): Promise<CodeResult> {
  for (;;) {
    try {
      return await driver.run(job);
    } catch (error) {
      if (!(error instanceof SandboxBusyError)) throw error;
      await sleep(error.retryAfterSeconds * 1000);
    }
  }
}

function describe({ outcome, error_type: type, error_message: message }: CodeResult): string {
  return type ? `${outcome} (${type}: ${message})` : outcome;
}
