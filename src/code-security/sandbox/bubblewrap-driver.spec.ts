import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BubblewrapDriver } from './bubblewrap-driver.js';
import { areGone, descendantsOf } from './processes.fixture.js';
import { job, outputOf, realDriver, until } from './real-sandbox.fixture.js';
import { sandboxFilters } from './seccomp/sandbox-filters.js';
import { hostArchitecture, syscallNumbers, type Architecture } from './seccomp/syscall-numbers.js';

const architecture = hostArchitecture() as Architecture;
const numbers = syscallNumbers[architecture];
/** Finds the files below src although imports name what they compile to. */
const RESOLVE_SOURCES = `data:text/javascript,
  import { registerHooks } from 'node:module';
  const source = (name) => name.startsWith('.') ? name.replace(/[.]js$/, '.ts') : name;
  registerHooks({ resolve: (name, context, next) => next(source(name), context) });`;

describe('a sandbox', () => {
  let driver: BubblewrapDriver;

  beforeAll(() => {
    driver = realDriver();
  });

  afterAll(() => driver.close());

  it('reports what a job did, used and was run in', async () => {
    const result = await driver.run(job('import sys\nprint("out")\nprint("err", file=sys.stderr)'));
    expect(result).toEqual({
      outcome: 'succeeded',
      stdout: 'out\n',
      stderr: 'err\n',
      stdout_truncated: false,
      stderr_truncated: false,
      error_type: null,
      error_message: null,
      error_line: null,
      execution_time: expect.any(Number),
      memory_used_mb: expect.any(Number),
      locals_dict: null,
      output: null,
      isolation: { driver: 'bubblewrap', level: 'namespaces', cgroup: false },
    });
    expect(result.memory_used_mb).toBeGreaterThan(5);
    expect(result.memory_used_mb).toBeLessThan(40);
  });

  it('runs the code as a script: functions see each other, classes can be pickled, threads and asyncio work', async () => {
    const code = `
import asyncio, dataclasses, pickle, threading
@dataclasses.dataclass
class Point:
    x: int
def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)
async def later(value):
    await asyncio.sleep(0.01)
    return value
found = []
thread = threading.Thread(target=found.append, args=(1,))
thread.start(); thread.join()
output = [even(10), pickle.loads(pickle.dumps(Point(3))).x, found, asyncio.run(asyncio.wait_for(later("late"), 1))]
`;
    expect(await outputOf(driver, code)).toMatchObject({ stderr: '', output: [true, 3, [1], 'late'] });
  });

  it('names the line of the submitted text, also when the error rises in a library', async () => {
    const code = 'import json\n\ndef read(text):\n    return json.loads(text)\n\nread("{")\n';
    const result = await driver.run(job(code));
    expect(result).toMatchObject({ outcome: 'failed', error_type: 'JSONDecodeError', error_line: 4 });
    expect(result.stderr).toContain('File "<code>", line 6');
    expect(result.stderr).not.toMatch(/runner|<string>/);
  });

  it('keeps NUL and half surrogate pairs in no text that leaves it, keys included', async () => {
    const code = `
output = {"a\\0": "b\\ud800"}
text = {"\\udfff": "\\0"}
raise ValueError("\\0\\ud800") if text.get("raise") else SystemExit(0)`;
    const ended = await driver.run(job(code, { resultVariable: 'output', captureLocals: true }));
    expect(ended.output).toEqual({ 'a\uFFFD': 'b\uFFFD' });
    expect(ended.locals_dict?.['text']).toEqual({ '\uFFFD': '\uFFFD' });
    const raised = await driver.run(job('raise type("E\\0", (ValueError,), {})("\\0 \\ud800")'.replace('E\\0', 'E')));
    expect(raised.error_message).toBe('\uFFFD \uFFFD');
    expect(raised.stderr).not.toContain('\0');
  });

  it('shows two jobs at once nothing of each other', async () => {
    const meet = `
import os, time
mine, other = os.environ["HOME"] + "/" + me, "/tmp/" + ("b" if me == "a" else "a")
open(mine, "w").close()
time.sleep(0.5)
def killed(pid):
    try:
        os.kill(pid, 0)
        return True
    except OSError:
        return False
output = [os.listdir("/tmp"), os.path.exists(other), [pid for pid in range(1, 300) if killed(pid)], os.getpid()]
`;
    const results = await Promise.all(
      ['a', 'b'].map((me) => driver.run(job(meet, { globals: { me }, resultVariable: 'output' }))),
    );
    expect(results.map(({ output }) => output)).toEqual([
      [['a'], false, [1, 2], 2],
      [['b'], false, [1, 2], 2],
    ]);
  });

  it('mixes up no outputs of jobs that run at once', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `job ${index}`);
    const jobs = names.map((name) =>
      job('print(name)\noutput = name', { globals: { name }, resultVariable: 'output' }),
    );
    const results = await Promise.all(jobs.map((described) => driver.run(described)));
    expect(results.map(({ stdout, output }) => [stdout, output])).toEqual(names.map((name) => [`${name}\n`, name]));
  });

  it('is gone within a second after its job is cancelled', async () => {
    const cancel = new AbortController();
    const running = driver.run(job('import time\nprint("up", flush=True)\ntime.sleep(60)'), cancel.signal);
    await until(() => descendantsOf(process.pid).length >= 3);
    const pids = descendantsOf(process.pid);
    const cancelledAt = performance.now();
    cancel.abort();
    const result = await running;
    await until(() => areGone(pids));
    expect(performance.now() - cancelledAt).toBeLessThan(1000);
    expect(result).toMatchObject({ outcome: 'cancelled', error_type: 'Cancelled' });
  });

  it('never starts for a job that was cancelled before', async () => {
    const result = await driver.run(job('print(1)'), AbortSignal.abort());
    expect(result).toMatchObject({ outcome: 'cancelled', stdout: '' });
  });

  it('leaves nothing behind, at whatever moment of its start the job is cancelled', async () => {
    const seen = new Set<number>();
    for (let milliseconds = 0; milliseconds < 40; milliseconds += 2) {
      const running = driver.run(job('while True: pass'), AbortSignal.timeout(milliseconds));
      const look = setInterval(() => descendantsOf(process.pid).forEach((pid) => seen.add(pid)), 3);
      expect((await running).outcome).toBe('cancelled');
      clearInterval(look);
    }
    await until(() => areGone([...seen]));
    expect(seen.size).toBeGreaterThan(20);
  });

  it('ends a job whose main thread leaves while another goes on, which no memory watch could see', async () => {
    const code = `
import ctypes, threading
def spin():
    while True: pass
threading.Thread(target=spin).start()
ctypes.CDLL(None).syscall(${numbers['exit']}, 0)`;
    const result = await driver.run(job(code));
    expect(result).toMatchObject({ outcome: 'failed', error_type: 'Crashed' });
    expect(result.execution_time).toBeLessThan(3);
  });

  it('starts NumPy before memory is limited only for code that needs it', async () => {
    const [plain, numeric] = await Promise.all([
      outputOf(driver, 'import sys\noutput = "nump" + "y" in sys.modules'),
      outputOf(driver, 'import sys\noutput = "numpy" in sys.modules'),
    ]);
    expect([plain.output, numeric.output]).toEqual([false, true]);
  });

  it('looks from outside as it should: not root, without capabilities, under both filters, first to be sacrificed', async () => {
    const cancel = new AbortController();
    const running = driver.run(job('import time\nprint("up", flush=True)\ntime.sleep(60)'), cancel.signal);
    const underBothFilters = () => descendantsOf(process.pid).find((pid) => statusOf(pid)['Seccomp_filters'] === '2');
    await until(() => underBothFilters() !== undefined);
    const pid = underBothFilters() as number;
    const { Uid, CapPrm, CapEff, CapInh, CapAmb, NoNewPrivs } = statusOf(pid);
    expect(Uid?.split('\t')).not.toContain('0');
    for (const set of [CapPrm, CapEff, CapInh, CapAmb]) expect(set).toBe('0000000000000000');
    expect(NoNewPrivs).toBe('1');
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('1000\n');
    cancel.abort();
    await running;
  });

  it('ends with the job of a service that is killed', async () => {
    const service = spawn(
      process.execPath,
      [
        '--experimental-transform-types',
        '--no-warnings',
        '--import',
        RESOLVE_SOURCES,
        fileURLToPath(new URL('./run-forever.fixture.ts', import.meta.url)),
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    const pid = service.pid as number;
    await until(() => descendantsOf(pid).length === 3);
    const pids = descendantsOf(pid);
    service.kill('SIGKILL');
    await once(service, 'exit');
    await until(() => areGone(pids));
    expect(pids).toHaveLength(3);
  }, 15_000);
});

describe('a sandbox whose /tmp cannot limit files', () => {
  it('is killed by the watchdog for making more than 4,096', async () => {
    const driver = realDriver({ filters: withoutMount() });
    const code = 'import time\nfor n in range(5000): open(f"/tmp/{n}", "w").close()\ntime.sleep(5)';
    const result = await driver.run(job(code));
    expect(result).toMatchObject({ outcome: 'out_of_memory', error_type: 'TooManyFiles' });
    expect(result.execution_time).toBeLessThan(2);
  });

  it('runs what makes fewer', async () => {
    const driver = realDriver({ filters: withoutMount() });
    const code = 'open("/tmp/one", "w").write("1")\noutput = open("/tmp/one").read()';
    expect(await outputOf(driver, code)).toMatchObject({ outcome: 'succeeded', output: '1' });
  });
});

describe('BubblewrapDriver', () => {
  it('kills what runs when it is closed, and starts nothing afterwards', async () => {
    const driver = realDriver();
    const running = driver.run(job('import time\ntime.sleep(60)'));
    await until(() => descendantsOf(process.pid).length >= 3);
    await driver.close();
    expect(await running).toMatchObject({ outcome: 'cancelled' });
    await expect(driver.run(job('print(1)'))).rejects.toThrow('shutting down');
  });

  it.each([
    [
      'bubblewrap is missing',
      { bwrap: '/nowhere/bwrap' },
      /bubblewrap \(\/nowhere\/bwrap\) was not found.*apt-get install/,
    ],
    ['Python is missing', { python: '/nowhere/python3' }, /\/nowhere\/python3 does not run.*apt-get install/],
    ['Python is named by a relative path', { python: 'python3' }, /must be an absolute path/],
    ['bubblewrap is another program', { bwrap: '/usr/bin/true' }, /No sandbox could be started/],
    [
      'the filter is not a filter',
      { filters: { confine: Buffer.alloc(24, 7), seal: Buffer.alloc(0) } },
      /No sandbox could be started: bwrap/,
    ],
  ])('refuses with the reason when %s', async (_, options, reason) => {
    await expect(realDriver(options).run(job('print(1)'))).rejects.toMatchObject({
      name: 'SandboxUnavailableError',
      message: expect.stringMatching(reason) as string,
    });
  });

  it('sweeps away a sandbox that was left half started, and no other, before its first job', async () => {
    const half = [
      '--unshare-user',
      '--unshare-pid',
      '--unshare-uts',
      '--hostname',
      'holdpoint-sandbox',
      '--block-fd',
      '3',
    ];
    const bwrap = spawn('/usr/bin/bwrap', [...half, '--ro-bind', '/', '/', '--', '/usr/bin/true'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    await until(() => descendantsOf(bwrap.pid as number).length === 1);
    const orphans = descendantsOf(bwrap.pid as number);
    bwrap.kill('SIGKILL');
    await once(bwrap, 'exit');
    expect(areGone(orphans)).toBe(false);
    const other = realDriver();
    const running = other.run(job('import time\ntime.sleep(0.5)\nprint("whole")'));
    await until(() => areGone(orphans));
    await realDriver().run(job('pass'));
    expect(await running).toMatchObject({ outcome: 'succeeded', stdout: 'whole\n' });
  });

  it('finds with the next job what was missing for the first', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'late-bwrap-'));
    await chmod(folder, 0o755);
    const bwrap = join(folder, 'bwrap');
    const driver = realDriver({ bwrap });
    await expect(driver.run(job('print(1)'))).rejects.toThrow('not found');
    await symlink('/usr/bin/bwrap', bwrap);
    expect(await driver.run(job('print(1)'))).toMatchObject({ outcome: 'succeeded' });
    await rm(folder, { recursive: true });
  });
});

function statusOf(pid: number): Record<string, string | undefined> {
  try {
    const lines = readFileSync(`/proc/${pid}/status`, 'latin1').split('\n');
    return Object.fromEntries(lines.map((line) => line.split(':\t') as [string, string]));
  } catch {
    return {}; // It ended meanwhile.
  }
}

/** Our filters, with the one rule changed that lets the runner mount its own /tmp. */
function withoutMount() {
  const { confine, seal } = sandboxFilters(architecture);
  const patched = Buffer.from(confine);
  const rule = Buffer.from([0x15, 0, 0, 1, ...new Uint8Array(Uint32Array.of(numbers['mount'] as number).buffer)]);
  patched.writeUInt32LE(0x00050001, patched.indexOf(rule) + 12);
  return { confine: patched, seal };
}
