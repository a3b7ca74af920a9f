import { execFile } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { SandboxUnavailableError } from './sandbox-driver.js';
import { hostArchitecture, type Architecture } from './seccomp/syscall-numbers.js';

export const INSTALL_COMMAND = 'apt-get install --no-install-recommends bubblewrap python3 python3-numpy';

/** A user of the host without any rights; sandboxes run as it when the service runs as root. */
export interface UnprivilegedUser {
  uid: number;
  gid: number;
}

export interface Installation {
  bwrap: string;
  python: string;
  /** Folders outside /usr that the interpreter needs, to be seen at the same place inside. */
  pythonFolders: readonly string[];
  architecture: Architecture;
  /** Undefined: sandboxes run as the user of the service. */
  user: UnprivilegedUser | undefined;
}

export interface InstallationOptions {
  /** A name looked up in PATH, or an absolute path. */
  bwrap: string;
  /** An absolute path: the python3 of PATH is often a shim below somebody's home. */
  python: string;
  unprivilegedUser: UnprivilegedUser;
}

/** Finds what a sandbox is made of. Throws SandboxUnavailableError saying what is missing and how to get it. */
export async function findInstallation(options: InstallationOptions): Promise<Installation> {
  const architecture = hostArchitecture();
  if (process.platform !== 'linux' || !architecture) {
    throw new SandboxUnavailableError(
      `Running code needs Linux on x86_64 or aarch64; this is ${process.platform} on ${process.arch}.`,
    );
  }
  const user = chooseUser(options.unprivilegedUser);
  const bwrap = findBubblewrap(options.bwrap);
  return { bwrap, architecture, user, ...(await inspectPython(options.python, user)) };
}

/**
 * bubblewrap started by real root only relabels: inside, the process stays root of the host, reads what only root may,
 * and no limit on processes acts (measured).
 */
function chooseUser(unprivileged: UnprivilegedUser): UnprivilegedUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (unprivileged.uid === 0 || unprivileged.gid === 0) {
    throw new SandboxUnavailableError('Sandboxes must not run as root: give them a uid and a gid other than 0.');
  }
  return { uid: unprivileged.uid, gid: unprivileged.gid };
}

function findBubblewrap(nameOrPath: string): string {
  const candidates = isAbsolute(nameOrPath)
    ? [nameOrPath]
    : [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin']
        .filter(isAbsolute)
        .map((dir) => join(dir, nameOrPath));
  const found = candidates.find(isExecutable);
  if (!found) throw new SandboxUnavailableError(`bubblewrap (${nameOrPath}) was not found. ${INSTALL_COMMAND}`);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const DESCRIBE_PYTHON =
  'import json,sys;print(json.dumps([sys.prefix,sys.exec_prefix,sys.base_prefix,sys.base_exec_prefix]))';

/** Runs the interpreter as the user of the sandboxes: one below a private home fails here, not in the first job. */
async function inspectPython(python: string, user: UnprivilegedUser | undefined) {
  if (!isAbsolute(python)) {
    throw new SandboxUnavailableError(`The Python interpreter must be an absolute path, not ${python}.`);
  }
  try {
    const { stdout } = await promisify(execFile)(python, ['-I', '-c', DESCRIBE_PYTHON], {
      ...user,
      cwd: '/',
      env: {},
      timeout: 10_000,
    });
    return { python, pythonFolders: foldersOutsideUsr([...(JSON.parse(stdout) as string[]), realpathSync(python)]) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SandboxUnavailableError(
      `The Python interpreter ${python} does not run for the user of the sandboxes: ${why.trim()}. ${INSTALL_COMMAND}`,
      { cause },
    );
  }
}

function foldersOutsideUsr(paths: readonly string[]): string[] {
  return [...new Set(paths)].filter((path) => path !== '/' && path !== '/usr' && !path.startsWith('/usr/'));
}
