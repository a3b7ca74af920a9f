import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { waitFor } from './wait-for.js';

const MAIN = resolve('dist/src/main.js');

export interface SideCar {
  pid: number;
  /** Everything it printed so far. */
  output(): string;
  /** Ends it by this signal and waits until it is gone; answers its exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** A folder for a socket that any user may use. */
export function makeSocketFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-side-car-'));
  chmodSync(folder, 0o777);
  return { socket: join(folder, 'sandbox.sock'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A user without rights, if this one may become it and it can read the project; else this one. */
export function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const isOpen = (path: string): boolean =>
    (statSync(path).mode & 0o005) === 0o005 && (path === '/' || isOpen(dirname(path)));
  return isOpen(dirname(MAIN)) && isOpen(dirname(process.execPath)) ? { uid: 65_534, gid: 65_534 } : undefined;
}

/** The command that runs `command` under a seccomp profile, as a container would. */
export function underSeccomp(profile: string, command: string[]): string[] {
  return ['/usr/bin/python3', resolve('test/under-seccomp.py'), resolve(profile), ...command];
}

/** The command that makes `command` the first process of a pid namespace, as the program of a container is. */
export function asFirstProcess(command: string[]): string[] {
  const container = ['--unshare-pid', '--as-pid-1', '--die-with-parent', '--dev-bind', '/', '/', '--proc', '/proc'];
  return ['/usr/bin/bwrap', ...container, ...command];
}

export interface SideCarOptions {
  settings?: Record<string, string>;
  profile?: string;
  isFirst?: boolean;
  user?: { uid: number; gid: number } | undefined;
}

/** The compiled product in the role sandbox; waits until its self-test has ended, or throws with what it printed. */
export async function spawnSideCar(
  socket: string,
  { settings = {}, profile, isFirst = false, user }: SideCarOptions = {},
): Promise<SideCar> {
  const plain = [process.execPath, MAIN];
  const contained = isFirst ? asFirstProcess(plain) : plain;
  const [file = '', ...options] = profile ? underSeccomp(profile, contained) : contained;
  const env = { HOLDPOINT_ROLES: 'sandbox', SANDBOX_SOCKET: socket, ...settings };
  const child = spawn(file, options, { ...user, env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const ended = once(child, 'exit');
  const listens = () => printed.includes('runs code for');
  const isTested = async () => (child.exitCode === null ? listens() && tested(socket) : true);
  await waitFor('the self-test of the side-car', isTested, (yes) => yes);
  if (child.exitCode !== null) throw new Error(printed);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ((await ended) as [number | null])[0];
  };
  return { pid: child.pid ?? 0, output: () => printed, end };
}

async function tested(socket: string): Promise<boolean> {
  const health = await askSideCar(socket, '/health').catch(() => null);
  return health !== null && (JSON.parse(health.text) as { checked_at: unknown }).checked_at !== null;
}

export function askSideCar(socketPath: string, path: string): Promise<{ status: number; text: string }> {
  const { promise, resolve: answer, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const request = get({ socketPath, path, agent: false }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => answer({ status: response.statusCode ?? 0, text }));
  });
  request.on('error', reject);
  return promise;
}
