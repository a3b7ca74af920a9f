import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SANDBOX_MODES, type LocalDriver, type SandboxMode } from './local-driver.js';
import { areGone, descendantsOf, startServiceWithJob } from './processes.fixture.js';
import { job, outputOf, realDriver, until } from './real-sandbox.fixture.js';
import { sandboxFilters } from './seccomp/sandbox-filters.js';
import { hostArchitecture, syscallNumbers, type Architecture } from './seccomp/syscall-numbers.js';

const architecture = hostArchitecture() as Architecture;
const numbers = syscallNumbers[architecture];
/** A zygote's child has the zygote's filter besides its own two. */
const FILTERS: Record<SandboxMode, string> = { 'single-use': '2', zygote: '3' };

describe.each(SANDBOX_MODES)('a %s sandbox', (mode) => {
  let driver: LocalDriver;
  /** Processes that run code: those under every filter. */
  const sealed = (ancestor = process.pid) =>
    descendantsOf(ancestor).filter((pid) => statusOf(pid)['Seccomp_filters'] === FILTERS[mode]);

  beforeAll(() => {
    driver = realDriver({ mode });
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
      isolation: { driver: 'bubblewrap', level: 'namespaces', cgroup: expect.any(Boolean) },
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

  it('hands on the largest description of variables, and no forged one that is costlier to read', async () => {
    const honest = 'x = {f"k{n}": [{} for _ in range(9)] for n in range(300)}\ny = [object() for _ in range(200)]';
    const described = await driver.run(job(honest, { captureLocals: true }));
    expect(described).toMatchObject({ outcome: 'succeeded' });
    expect(JSON.stringify(described.locals_dict).length).toBeGreaterThan(5_000);
    const forged = `
import os
payload = b'{"outcome":"succeeded","locals":{"x":[' + b'{},' * 300000 + b'{}]}}'
os.write(4, len(payload).to_bytes(4, "little") + payload)
os._exit(0)`;
    const result = await driver.run(job(forged, { captureLocals: true }));
    expect(result).toMatchObject({ outcome: 'failed', error_type: 'NoResult', locals_dict: null });
  });

  it('leaves no dump of its memory on the host, not even where that is given to a program', async () => {
    const code = 'import resource\noutput = resource.getrlimit(resource.RLIMIT_CORE)';
    expect((await outputOf(driver, code)).output).toEqual([1, 1]);
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

  it('leaves no later job a mark on the empty standard input', async () => {
    const code = `
import fcntl, os
output = [fcntl.fcntl(0, fcntl.F_GETFL), os.read(0, 1).hex()]
fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)`;
    const [first, second] = [await outputOf(driver, code), await outputOf(driver, code)];
    expect(first).toMatchObject({ outcome: 'succeeded', output: [expect.any(Number), ''] });
    expect(second.output).toEqual(first.output);
  });

  it('mixes up no outputs of jobs that run at once', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `job ${index}`);
    const jobs = names.map((name) =>
      job('print(name)\noutput = name', { globals: { name }, resultVariable: 'output' }),
    );
    const results = await Promise.all(jobs.map((described) => driver.run(described)));
    expect(results.map(({ stdout, output }) => [stdout, output])).toEqual(names.map((name) => [`${name}\n`, name]));
  });

  it('is read seldom when it writes byte by byte, whichever the channel, and yet whole', async () => {
    const code = `
import os, time
os.write(4, (1 << 20).to_bytes(4, "little"))
written, end = 0, time.perf_counter() + 1
while time.perf_counter() < end:
    pause = time.perf_counter() + 2e-5
    while time.perf_counter() < pause: pass
    written += os.write(1, b"x") + 0 * os.write(4, b"x")
os.write(2, str(written).encode())
time.sleep(60)`;
    let pieces = 0;
    const hear = (stream: string) => (pieces += stream === 'stdout' ? 1 : 0);
    const result = await driver.run(job(code, { timeoutSeconds: 2 }), { onOutput: hear });
    expect([result.outcome, result.stdout.length]).toEqual(['timed_out', Number(result.stderr)]);
    expect(result.stdout.length).toBeGreaterThan(4 * pieces);
    expect(pieces).toBeLessThan(600);
    expect(result.execution_time).toBeLessThan(4);
  });

  it('is gone within a second after its job is cancelled', async () => {
    const cancel = new AbortController();
    const running = driver.run(job('import time\nprint("up", flush=True)\ntime.sleep(60)'), { signal: cancel.signal });
    await until(() => sealed().length > 0);
    const pids = sealed();
    const cancelledAt = performance.now();
    cancel.abort();
    const result = await running;
    await until(() => areGone(pids));
    expect(performance.now() - cancelledAt).toBeLessThan(1000);
    expect(result).toMatchObject({ outcome: 'cancelled', error_type: 'Cancelled' });
  });

  it('never starts for a job that was cancelled before', async () => {
    const result = await driver.run(job('print(1)'), { signal: AbortSignal.abort() });
    expect(result).toMatchObject({ outcome: 'cancelled', stdout: '' });
  });

  it('hears of a cancelling in whichever turn of its start it comes', async () => {
    const warm = realDriver({ mode, warm: { plain: 1, numpy: 0 } });
    await warm.run(job('pass'));
    warm.warmUp();
    for (let turns = 0; turns < 10; turns++) {
      await until(() => warm.waiting === 1);
      const cancel = new AbortController();
      const running = warm.run(job('import time\ntime.sleep(60)', { timeoutSeconds: 2 }), { signal: cancel.signal });
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      cancel.abort();
      expect([turns, (await running).outcome]).toEqual([turns, 'cancelled']);
    }
    await warm.close();
  });

  it('leaves nothing behind, at whatever moment of its start the job is cancelled', async () => {
    const seen = new Set<number>();
    const before = descendantsOf(process.pid);
    const closing = realDriver({ mode });
    for (let milliseconds = 0; milliseconds < 40; milliseconds += 2) {
      const running = closing.run(job('while True: pass'), { signal: AbortSignal.timeout(milliseconds) });
      const look = setInterval(() => descendantsOf(process.pid).forEach((pid) => seen.add(pid)), 3);
      expect((await running).outcome).toBe('cancelled');
      clearInterval(look);
    }
    await closing.close();
    await until(() => areGone([...seen].filter((pid) => !before.includes(pid))));
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

  it('has 64 descriptors in all, not for each thread that takes a table of its own', async () => {
    const code = `
import ctypes, os, threading
libc = ctypes.CDLL(None)
made, all_done = [], threading.Barrier(11)
def fill():
    refused.append(libc.close_range(1000, 1000, 2))
    try:
        while True: made.extend(os.pipe())
    except OSError: all_done.wait()
refused = []
for _ in range(10): threading.Thread(target=fill).start()
all_done.wait()
output = [len(made) < 64, refused]`;
    expect((await outputOf(driver, code)).output).toEqual([true, Array(10).fill(-1)]);
  });

  it('tells that files are locked and holds no lock, which would be memory that nothing limits', async () => {
    const code = `
import fcntl, sqlite3, time
file = open("/tmp/locked", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
hosts = open("/usr/bin/env", "rb")
fcntl.flock(hosts, fcntl.LOCK_EX)
with sqlite3.connect("/tmp/base") as base:
    base.execute("create table words (word)")
    base.execute("insert into words values ('kept')")
output = [base.execute("select word from words").fetchall()[0][0]]
try: fcntl.fcntl(file, 37, bytes(32))
except PermissionError: output.append("refused")
print("up", flush=True)
time.sleep(60 if forever else 0)`;
    const options = { resultVariable: 'output', globals: { forever: false } };
    expect((await driver.run(job(code, options))).output).toEqual(['kept', 'refused']);
    const cancel = new AbortController();
    let isUp = false;
    const running = driver.run(job(code, { globals: { forever: true } }), {
      signal: cancel.signal,
      onOutput: () => (isUp = true),
    });
    await until(() => isUp);
    const holders = readFileSync('/proc/locks', 'utf8').matchAll(/^\d+: \S+ +\S+ +\S+ (\d+)/gm);
    const ours = descendantsOf(process.pid);
    expect([...holders].filter(([, pid]) => ours.includes(Number(pid)))).toEqual([]);
    cancel.abort();
    await running;
  });

  it('looks from outside as it should: not root, without capabilities, under its filters, first to be sacrificed', async () => {
    const cancel = new AbortController();
    const running = driver.run(job('import time\nprint("up", flush=True)\ntime.sleep(60)'), { signal: cancel.signal });
    await until(() => sealed().length > 0);
    const [pid = 0] = sealed();
    const { Uid, CapPrm, CapEff, CapInh, CapAmb, NoNewPrivs } = statusOf(pid);
    expect(Uid?.split('\t')).not.toContain('0');
    for (const set of [CapPrm, CapEff, CapInh, CapAmb]) expect(set).toBe('0000000000000000');
    expect(NoNewPrivs).toBe('1');
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('1000\n');
    cancel.abort();
    await running;
  });

  it('is gone when its service is killed, with a job or waiting for one', async () => {
    const service = startServiceWithJob(mode);
    const pid = service.pid as number;
    await until(() => sealed(pid).length > 0 && confined(pid).length >= 3);
    const pids = descendantsOf(pid);
    service.kill('SIGKILL');
    await once(service, 'exit');
    await until(() => areGone(pids));
    expect(pids.length).toBeGreaterThanOrEqual(7);
  }, 15_000);
});

describe('a sandbox of its own', () => {
  it('starts NumPy before memory is limited only for code that needs it', async () => {
    const [plain, numeric] = await Promise.all([
      outputOf(realDriver(), 'import sys\noutput = "nump" + "y" in sys.modules'),
      outputOf(realDriver(), 'import sys\noutput = "numpy" in sys.modules'),
    ]);
    expect([plain.output, numeric.output]).toEqual([false, true]);
  });
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

describe('LocalDriver', () => {
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
    ['the filter is not a filter', { filters: { confine: Buffer.alloc(24, 7) } }, /No sandbox could be started: bwrap/],
  ])('refuses with the reason when %s', async (_, options, reason) => {
    await expect(realDriver(options).run(job('print(1)'))).rejects.toMatchObject({
      name: 'SandboxUnavailableError',
      message: expect.stringMatching(reason) as string,
    });
  });

  it.each(SANDBOX_MODES)(
    'refuses with the reason while the service has no descriptors, and loses none (%s)',
    async (mode) => {
      // The plan is made before, by a run that needs its own.
      const usual = openDescriptors();
      const driver = realDriver({ mode });
      await driver.run(job('pass'));
      const zygote = descendantsOf(process.pid).find((pid) => mode === 'zygote' && statusOf(pid)['Name'] === 'python3');
      if (zygote !== undefined) process.kill(zygote, 'SIGKILL');
      await until(() => openDescriptors() <= usual);
      const before = openDescriptors();
      const giveBack = takeAllDescriptors();
      const refusals = await Promise.allSettled([1, 2, 3].map(() => driver.run(job('pass'))));
      giveBack();
      for (const refusal of refusals) {
        expect(refusal).toMatchObject({
          reason: { name: 'SandboxUnavailableError', message: expect.stringContaining('no descriptors left') },
        });
      }
      expect(openDescriptors()).toBe(before);
      expect(await driver.run(job('print("again")'))).toMatchObject({ stdout: 'again\n' });
      await driver.close();
    },
  );

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

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** All but a few of the first thousand; others cannot be had meanwhile. */
function takeAllDescriptors(): () => void {
  const limit = (soft: number) => execFileSync('/usr/bin/prlimit', ['--pid', String(process.pid), `--nofile=${soft}:`]);
  const usual = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
  limit(1000);
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    for (const descriptor of taken.splice(0, 6)) closeSync(descriptor);
  }
  return () => {
    taken.forEach((descriptor) => closeSync(descriptor));
    limit(usual);
  };
}

/** Pythons that a job may be in or come to: every capability is given up. */
function confined(ancestor: number): number[] {
  return descendantsOf(ancestor).filter((pid) => {
    const { CapPrm, Name } = statusOf(pid);
    return Name === 'python3' && CapPrm === '0000000000000000';
  });
}

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
  const patched = Buffer.from(sandboxFilters(architecture).confine);
  const rule = Buffer.from([0x15, 0, 0, 1, ...new Uint8Array(Uint32Array.of(numbers['mount'] as number).buffer)]);
  patched.writeUInt32LE(0x00050001, patched.indexOf(rule) + 12);
  return { confine: patched };
}
