import { readFileSync } from 'node:fs';
import { SandboxUnavailableError, type CodeJob, type Language } from './sandbox-driver.js';

export interface LanguageDescription {
  title: string;
  /** Python is what every sandbox starts as; it becomes the interpreter of any other language. */
  launch: LaunchDescription | null;
}

interface LaunchDescription {
  /** Files of ./<language>/, put into a folder that the first of them removes before foreign code runs. */
  files: readonly string[];
  arguments: (limits: LaunchLimits) => string[];
  environment: Readonly<Record<string, string>>;
  /** Arguments that make it start as for a job and print /proc/self/status. */
  printStatus: readonly string[];
  /** The signal by which the interpreter ends itself when it can get no more memory. */
  outOfMemorySignal: NodeJS.Signals;
}

interface LaunchLimits {
  maxMemoryMb: number;
  /** What is left of it for data, once the interpreter has started. */
  freeMb: number;
}

/** An interpreter, looked at on this host. */
export interface Interpreter {
  hostPath: string;
  /** Where it is inside. */
  path: string;
  /** Of a process that does nothing, MiB. Writable memory includes what is reserved and never touched. */
  residentMb: number;
  writableMb: number;
}

/** What the launcher is told, as it reads it. */
export interface Launch {
  path: string;
  arguments: readonly string[];
  environment: Readonly<Record<string, string>>;
  folder: string;
  files: Readonly<Record<string, string>>;
  writable_mb: number;
}

const RUNNER_FOLDER = '/tmp/.runner';
/** The stacks of the threads that an interpreter starts later: writable, but hardly touched. */
const STACKS_MB = 32;

/** No debugger at a signal, one thread of V8 beside the code's, and no warning that import() is new. */
const NODE_ARGUMENTS = ['--disable-sigusr1', '--v8-pool-size=1', '--disable-warning=ExperimentalWarning'];

/** All there is to say about a language outside its own folder. How to add one: docs/runner-protocol.md. */
export const languages: Readonly<Record<Language, LanguageDescription>> = {
  python: { title: 'Python', launch: null },
  javascript: {
    title: 'JavaScript',
    launch: {
      files: ['runner.cjs', 'values.cjs'],
      // A smaller young generation than V8 takes for a server.
      arguments: ({ maxMemoryMb, freeMb }) => {
        const youngMb = Math.min(16, Math.ceil(maxMemoryMb / 64));
        const oldMb = Math.max(4, freeMb - youngMb);
        return [...NODE_ARGUMENTS, `--max-semi-space-size=${youngMb}`, `--max-old-space-size=${oldMb}`];
      },
      environment: { HOME: '/tmp', LANG: 'C.UTF-8', PATH: '/usr/bin', UV_THREADPOOL_SIZE: '2' },
      printStatus: [...NODE_ARGUMENTS, '-p', "fs.readFileSync('/proc/self/status', 'latin1')"],
      outOfMemorySignal: 'SIGABRT',
    },
  },
};

const sources = Object.fromEntries(
  Object.entries(languages).map(([language, { launch }]) => [language, readSources(language, launch?.files ?? [])]),
) as Record<Language, Record<string, string>>;

/** How a sandbox becomes the interpreter of the job's language; null when it is that already. Throws when there is none. */
export function describeLaunch(job: CodeJob, interpreter?: Interpreter | SandboxUnavailableError): Launch | null {
  const { title, launch } = languages[job.language];
  if (!launch) return null;
  if (interpreter instanceof SandboxUnavailableError) throw interpreter;
  if (!interpreter) throw new SandboxUnavailableError(`${title} has no interpreter here.`);
  const freeMb = Math.max(Math.floor(job.maxMemoryMb - interpreter.residentMb), 4);
  return {
    path: interpreter.path,
    arguments: [...launch.arguments({ maxMemoryMb: job.maxMemoryMb, freeMb }), `${RUNNER_FOLDER}/${launch.files[0]}`],
    environment: launch.environment,
    folder: RUNNER_FOLDER,
    files: sources[job.language],
    writable_mb: Math.ceil(interpreter.writableMb + freeMb + STACKS_MB),
  };
}

/** For a driver whose sandboxes become nothing else. */
export function onlyPython(job: CodeJob, driver: string): null {
  if (!languages[job.language].launch) return null;
  const { title } = languages[job.language];
  throw new SandboxUnavailableError(`${title} runs with SANDBOX_DRIVER=bubblewrap, not with ${driver}.`);
}

function readSources(language: string, files: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    files.map((file) => [file, readFileSync(new URL(`./${language}/${file}`, import.meta.url), 'utf8')]),
  );
}
