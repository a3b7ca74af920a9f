import { readFileSync } from 'node:fs';
import { openCanaries, SECRET } from './canaries.fixture.js';
import { job, realDriver } from './real-sandbox.fixture.js';
import { SANDBOX_MODES, type SandboxMode } from './local-driver.js';
import type { CodeOutcome, CodeResult } from './sandbox-driver.js';

interface HostileCase {
  name: string;
  /** Text, or pieces of text and how often each is repeated. */
  code: string | [text: string, times: number][];
  options: { timeout?: number; memory?: number; globals?: Record<string, unknown>; locals?: Record<string, unknown> };
  outcomes: CodeOutcome[];
}

type Expectation = (result: CodeResult) => void;

const MEBIBYTE = 1 << 20;
const AT_ONCE = 3;
const cases = JSON.parse(readFileSync(new URL('./hostile-cases.json', import.meta.url), 'utf8')) as HostileCase[];

const prints =
  (text: string): Expectation =>
  ({ stdout }) =>
    expect(stdout).toBe(text);
const printsNothing = prints('');
const raises =
  (type: string, message?: string | RegExp): Expectation =>
  (result) => {
    expect(result.error_type).toBe(type);
    if (message !== undefined) expect(result.error_message).toMatch(message);
  };
const leaves =
  (locals: Record<string, unknown>): Expectation =>
  (result) =>
    expect(result.locals_dict).toEqual(locals);
const onLine =
  (line: number): Expectation =>
  (result) =>
    expect(result.error_line).toBe(line);
const usesLessThan =
  (megabytes: number): Expectation =>
  (result) =>
    expect(result.memory_used_mb).toBeLessThan(megabytes);
const endsWithin =
  (seconds: number): Expectation =>
  (result) =>
    expect(result.execution_time).toBeLessThan(seconds);
const hasNoLocals: Expectation = (result) => expect(result.locals_dict).toBeNull();
const all =
  (...expectations: Expectation[]): Expectation =>
  (result) => {
    for (const expectation of expectations) expectation(result);
  };

const isRefused = raises('PermissionError', 'Operation not permitted');
const hasNoSockets = raises('OSError', 'Address family not supported');
const stopsAfter =
  (seconds: number): Expectation =>
  (result) => {
    expect(result.error_type).toBe('TimeoutError');
    expect(result.execution_time).toBeGreaterThanOrEqual(seconds - 0.005);
    expect(result.execution_time).toBeLessThan(seconds + 1.5);
  };
const runsOutOfMemory =
  (limitMb: number): Expectation =>
  (result) => {
    expect(result.memory_used_mb).toBeLessThan(limitMb + 24);
    if (result.outcome === 'out_of_memory') expect(['MemoryError', 'OSError']).toContain(result.error_type);
  };
const isKilledBy = (signal: string) => raises('Crashed', signal);
const hasNoResult = all(raises('NoResult'), hasNoLocals);

/** What must hold of each case besides its outcome. */
const EXPECTATIONS: Record<string, Expectation> = {
  print: prints('1\n'),
  numpy: leaves({ x: 2 }),
  syntax: all(raises('SyntaxError'), onLine(1)),
  'null byte': raises('ValueError', 'null bytes'),
  exception: all(raises('ZeroDivisionError', 'division by zero'), onLine(1)),
  'sys.exit(0)': endsWithoutError,
  'sys.exit(3)': raises('SystemExit', '3'),
  'read /etc/passwd': raises('FileNotFoundError'),
  'read host secret': raises('FileNotFoundError'),
  'list /': prints("['bin', 'dev', 'etc', 'lib', 'lib64', 'opt', 'tmp', 'usr']\n"),
  '/proc absent': prints('False False\n'),
  'write everywhere': prints('[]\n'),
  'fill /tmp': ({ stdout }) => {
    const [errno, files] = stdout.trim().split(' ').map(Number);
    expect(errno).toBe(28);
    expect(files).toBeLessThanOrEqual(64);
  },
  'sparse file': raises('OSError', 'File too large'),
  'symlink to host': raises('FileNotFoundError'),
  'inode flood': ({ stdout }) => expect(Number(stdout)).toBeLessThan(4096),
  env: ({ stdout }) => {
    expect(stdout).not.toMatch(/DATABASE|SECRET|JWT|NODE|PGPASS|JEST|npm/);
    expect(stdout).toMatch(/'HOME': '\/tmp'/);
  },
  'open fds': prints('[0, 1, 2, 4]\n'),
  'tcp loopback': hasNoSockets,
  dns: raises('gaierror'),
  udp: hasNoSockets,
  'abstract unix': hasNoSockets,
  netlink: all(hasNoSockets, printsNothing),
  'raw packet': all(hasNoSockets, printsNothing),
  'metadata http': raises('URLError', 'Address family not supported'),
  fork: isRefused,
  'fork bomb': prints('1\n'),
  subprocess: isRefused,
  'os.system': ({ stdout }) => expect(stdout).not.toMatch(/uid=/),
  execve: isRefused,
  'thread bomb': prints('True\n'),
  multiprocessing: raises('FileNotFoundError'),
  'kill everyone': all(isKilledBy('SIGKILL'), printsNothing),
  'clone newuser raw': prints('-1 1 -1 1 -1 38\n'),
  'syscall table': prints('[]\n'),
  'x32 abi': isKilledBy('SIGSYS'),
  'int80 i386': all(isKilledBy('SIGSYS'), printsNothing),
  TIOCSTI: isRefused,
  memoryerror: runsOutOfMemory(128),
  'numpy oom': all(runsOutOfMemory(256), raises('MemoryError', 'Unable to allocate 2.00 GiB')),
  'list growth': runsOutOfMemory(128),
  'caught then fine': prints('ok\n'),
  'anon shared mmap': all(runsOutOfMemory(128), raises('OSError', 'Cannot allocate memory')),
  'memory 64 numpy svd': all(prints('True\n'), runsOutOfMemory(64)),
  'dict recursion bomb': prints('ok\n'),
  'int pow bomb': endsWithin(3.5),
  'repeat join': runsOutOfMemory(128),
  'many threads mem': all(prints('done\n'), usesLessThan(200)),
  'pipe memory': prints('24 True\n'),
  'busy loop': stopsAfter(1),
  sleep: stopsAfter(1),
  'ignore signals': stopsAfter(1),
  'regex redos': stopsAfter(1),
  'catch BaseException': stopsAfter(1),
  'daemon thread lingering': prints('x\n'),
  'nondaemon thread': stopsAfter(1),
  'output before timeout': all(stopsAfter(1), prints('partial\n')),
  'close fds then spin': stopsAfter(1),
  'flood stdout': (result) => {
    expect(result.stdout).toHaveLength(MEBIBYTE);
    expect(result.stdout_truncated).toBe(true);
    expect(result.stderr_truncated).toBe(false);
  },
  'flood stderr': (result) => {
    expect(result.stderr).toBe('y'.repeat(MEBIBYTE));
    expect(result.stderr_truncated).toBe(true);
  },
  'bad unicode': prints('\uFFFD\n'),
  'binary out': ({ stdout }) => {
    expect(stdout.startsWith('\uFFFD\x01')).toBe(true);
    expect(stdout.isWellFormed()).toBe(true);
    expect(stdout).not.toContain('\0');
  },
  'huge locals': ({ locals_dict: locals }) => {
    expect(JSON.stringify(locals).length).toBeLessThan(30_000);
    expect(locals).toMatchObject({ x: { $type: 'str' }, z: { $type: 'int', repr: 'an integer of 16610 bits' } });
    expect(locals?.['y']).toHaveLength(201);
  },
  'nan locals': leaves({ x: { $type: 'float', repr: 'nan' }, y: { $type: 'float', repr: 'inf' } }),
  'cyclic locals': ({ locals_dict: locals }) => {
    expect(JSON.stringify(locals?.['x'])).toBe('[[[[[[{"$type":"list","repr":"[[...]]"}]]]]]]');
    expect(JSON.stringify(locals?.['d'])).toMatch(/^(\{"d":){6}\{"\$type":"dict"/);
  },
  'evil repr': ({ locals_dict: locals }) => expect(locals?.['x']).toEqual({ $type: 'A', repr: '<cannot be shown>' }),
  'evil repr spin': stopsAfter(1),
  '__proto__ key': ({ locals_dict: locals }) => {
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
    expect(Object.keys(locals?.['d'] as object)).toEqual(['__proto__']);
  },
  'deep error msg': (result) => {
    expect(result.error_message).toBe('m'.repeat(2000));
    expect(result.stderr_truncated).toBe(true);
  },
  'print looks like result': all(raises('ZeroDivisionError'), leaves({})),
  'forge frame then exit': hasNoResult,
  'forge frame + real frame': hasNoResult,
  'garbage on fd4': hasNoResult,
  'huge frame header': hasNoResult,
  'os._exit(0) silent': hasNoResult,
  'flood fd4': all(hasNoResult, endsWithin(2)),
  segfault: isKilledBy('SIGSEGV'),
  abort: isKilledBy('SIGABRT'),
  'stack overflow': runsOutOfMemory(512),
  'gc referrers': ({ stdout }) => expect(stdout).not.toMatch(/seal|filter/),
  'subclasses walk': isRefused,
  'ctypes dlopen': ({ stdout, stderr }) => expect(stdout + stderr).not.toMatch(/uid=/),
  'override builtins': raises('ZeroDivisionError'),
  'rlimit raise': raises('ValueError', 'not allowed to raise'),
  'nice negative': isRefused,
  'inode cap': prints('28 True\n'),
  'signal pid 0/-1 others survive': ({ stdout }) => expect(stdout).toMatch(/end\n$/),
  'leak: plant': endsWithoutError,
  'leak: look': prints('False False False False 2.0\n'),
  'leak: heap scan': prints('False\n'),
  'leak: rng differs': ({ stdout }) => expect(stdout).not.toBe(resultOf('leak: rng differs 2').stdout),
  'leak: rng differs 2': ({ stdout }) => expect(stdout).toMatch(/^0\.\d+ 0\.\d+\n$/),
  'gdb self mem': raises('FileNotFoundError'),
  'sigstop self': stopsAfter(1),
  'cpu affinity/sched': isRefused,
  'stdout closed': printsNothing,
  'globals input': all(prints('3\n'), leaves({ b: 2 })),
  '50k code': leaves({ x: 1 }),
  'audit hook hang': prints('1\n'),
  'trace hook': prints('2\n'),
  'excepthook/atexit': all(raises('ZeroDivisionError'), prints('AT\n')),
  'del sys.modules': raises('ZeroDivisionError'),
  'patch json in sys.modules': endsWithoutError,
  'frame result mutate': raises('KeyError'),
  'compile bomb': raises('SyntaxError', 'too many nested parentheses'),
  'deep ast': ({ error_type }) => expect(['MemoryError', 'RecursionError', 'SyntaxError']).toContain(error_type),
  'encoding decl': prints('1\n'),
  'pickle rce': ({ stdout }) => expect(stdout).not.toMatch(/uid=/),
  breakpoint: raises('BdbQuit'),
  input: raises('EOFError'),
  help: ({ stdout, stderr }) => expect(stdout + stderr).not.toMatch(/uid=/),
};

function endsWithoutError(result: CodeResult): void {
  expect([result.error_type, result.error_message, result.error_line]).toEqual([null, null, null]);
}

const results = new Map<string, CodeResult>();

function resultOf(name: string): CodeResult {
  const result = results.get(name);
  if (!result) throw new Error(`The case ${name} did not run.`);
  return result;
}

/** In the order of the file and a few at a time, so that what one leaves behind could be found by the next. */
async function runAll(mode: SandboxMode, fill: (code: string) => string): Promise<void> {
  const driver = realDriver({ mode, warm: { plain: 2, numpy: 1 } });
  driver.warmUp();
  const left = cases.values();
  const runSome = async () => {
    for (const { name, code, options } of left) {
      const text = typeof code === 'string' ? code : code.map(([piece, times]) => piece.repeat(times)).join('');
      const { timeout: timeoutSeconds = 10, memory: maxMemoryMb = 512, ...variables } = options;
      const described = job(fill(text), { timeoutSeconds, maxMemoryMb, captureLocals: true, ...variables });
      results.set(name, await driver.run(described));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runSome));
  await driver.close();
}

describe.each(SANDBOX_MODES)('hostile code in a %s sandbox', (mode) => {
  let heard: string[];

  beforeAll(async () => {
    const canaries = await openCanaries();
    await runAll(mode, canaries.fill);
    heard = canaries.heard;
    await canaries.close();
  }, 120_000);

  it('knows what must hold of every case', () => {
    expect(Object.keys(EXPECTATIONS).toSorted()).toEqual(cases.map(({ name }) => name).toSorted());
  });

  it.each(cases)('holds against: $name', ({ name, outcomes }) => {
    const result = resultOf(name);
    expect({ outcomes, in: outcomes.includes(result.outcome), result }).toMatchObject({ in: true });
    EXPECTATIONS[name]?.(result);
  });

  it('lets nothing of the host and nothing unstorable out in any case', () => {
    const everything = JSON.stringify([...results.values()]);
    expect(everything).not.toMatch(SECRET);
    expect(heard).toEqual([]);
    expect(everything).not.toMatch(/\\u0000|\\ud[89a-f]/i);
  });
});
