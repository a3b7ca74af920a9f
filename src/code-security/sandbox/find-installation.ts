import { execFile } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { languages, type Interpreter } from './languages.js';
import { SandboxUnavailableError, type Language } from './sandbox-driver.js';
import { hostArchitecture, type Architecture } from './seccomp/syscall-numbers.js';

export const INSTALL_COMMAND = 'apt-get install --no-install-recommends bubblewrap python3 python3-numpy';

/** A user of the host without any rights; sandboxes run as it when the service runs as root. */
export interface UnprivilegedUser {
  uid: number;
  gid: number;
}

export interface PythonInstallation {
  python: string;
  /** Folders outside /usr that the interpreter needs, to be seen at the same place inside. */
  pythonFolders: readonly string[];
  /** Undefined: sandboxes run as the user of the service. */
  user: UnprivilegedUser | undefined;
}

export interface Installation extends PythonInstallation {
  bwrap: string;
  /** Of the languages that are not Python; or why there is none. */
  interpreters: Readonly<Partial<Record<Language, Interpreter | SandboxUnavailableError>>>;
  architecture: Architecture;
}

export interface PythonOptions {
  /** An absolute path: the python3 of PATH is often a shim below somebody's home. */
  python: string;
  /** Whom sandboxes shall run as; undefined: the user of the service, which then must not be root. */
  unprivilegedUser: UnprivilegedUser | undefined;
}

export interface InstallationOptions extends PythonOptions {
  /** A name looked up in PATH, or an absolute path. */
  bwrap: string;
  /** Absolute paths of the other languages' interpreters. */
  interpreters: Readonly<Partial<Record<Language, string>>>;
}

/** Finds what a sandbox is made of. Throws SandboxUnavailableError saying what is missing and how to get it. */
export async function findInstallation(options: InstallationOptions): Promise<Installation> {
  const architecture = hostArchitecture();
  if (process.platform !== 'linux' || !architecture) {
    throw new SandboxUnavailableError(
      `Running code needs Linux on x86_64 or aarch64; this is ${process.platform} on ${process.arch}.`,
    );
  }
  const bwrap = findExecutable(options.bwrap, `bubblewrap (${options.bwrap}) was not found. ${INSTALL_COMMAND}`);
  const python = await findPython(options);
  return { bwrap, architecture, ...python, interpreters: await inspectInterpreters(options.interpreters, python.user) };
}

/** The interpreter, and whom it runs as. */
export async function findPython(options: PythonOptions): Promise<PythonInstallation> {
  const user = judgeUser(options.unprivilegedUser, process.getuid?.());
  return { user, ...(await inspectPython(options.python, user)) };
}

/**
 * bubblewrap started by real root only relabels: inside, the process stays root of the host, reads what only root may,
 * and no limit on processes acts (measured). Who is not root cannot start a process as somebody else, and whoever asked
 * for that shall not believe that it happened.
 */
export function judgeUser(asked: UnprivilegedUser | undefined, own: number | undefined): UnprivilegedUser | undefined {
  if (own === 0 && !asked) {
    throw new SandboxUnavailableError(
      'The service runs as root and sandboxes must not: set SANDBOX_UID and SANDBOX_GID to a user that owns nothing, such as 65534.',
    );
  }
  if (asked?.uid === 0 || asked?.gid === 0) {
    throw new SandboxUnavailableError('Sandboxes must not run as root: give them a uid and a gid other than 0.');
  }
  if (own === 0) return asked;
  if (asked && asked.uid !== own) {
    throw new SandboxUnavailableError(
      `Only root can run sandboxes as another user, and the service is uid ${own}: unset SANDBOX_UID (${asked.uid}), or start the service as root.`,
    );
  }
  return undefined;
}

/** The absolute path of a program. Throws SandboxUnavailableError with `otherwise` when there is none. */
export function findExecutable(nameOrPath: string, otherwise: string): string {
  const candidates = isAbsolute(nameOrPath)
    ? [nameOrPath]
    : [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin']
        .filter(isAbsolute)
        .map((dir) => join(dir, nameOrPath));
  const found = candidates.find(isExecutable);
  if (!found) throw new SandboxUnavailableError(otherwise);
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

/** One that does not run takes its language away, and no other. */
async function inspectInterpreters(paths: InstallationOptions['interpreters'], user: UnprivilegedUser | undefined) {
  const found = Object.entries(paths).map(async ([language, path]) => [
    language,
    await inspectInterpreter(language as Language, path, user).catch((error: SandboxUnavailableError) => error),
  ]);
  return Object.fromEntries(await Promise.all(found)) as Installation['interpreters'];
}

/** Starts it as jobs will, as the user of the sandboxes, and reads what that alone takes. */
async function inspectInterpreter(language: Language, hostPath: string, user: UnprivilegedUser | undefined) {
  const { title, launch } = languages[language];
  try {
    const args = launch?.printStatus ?? [];
    const { stdout } = await promisify(execFile)(hostPath, args, { ...user, cwd: '/', env: {}, timeout: 10_000 });
    const megabytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(stdout)?.[1]) / 1024;
    const path = hostPath.startsWith('/usr/') ? hostPath : `/opt/${language}`;
    return { hostPath, path, residentMb: megabytes('VmHWM'), writableMb: megabytes('VmData') };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `${title} cannot run here: ${hostPath} does not start for the user of the sandboxes: ${why.trim()}.`;
    throw new SandboxUnavailableError(message, { cause });
  }
}

function foldersOutsideUsr(paths: readonly string[]): string[] {
  return [...new Set(paths)].filter((path) => path !== '/' && path !== '/usr' && !path.startsWith('/usr/'));
}
