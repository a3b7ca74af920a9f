import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import type { LocalDriver } from './local-driver.js';
import { areGone, descendantsOf } from './processes.fixture.js';
import { job, realDriver, until } from './real-sandbox.fixture.js';
import { CHILDREN_OF_ZYGOTE } from './zygote.js';

/** The forking Python: it is under its own filter alone, and not the init of anything. */
const zygotes = () =>
  descendantsOf(process.pid).filter((pid) => {
    const status = read(`/proc/${pid}/status`);
    return (
      /^Name:\tpython3$/m.test(status) && /^Seccomp_filters:\t1$/m.test(status) && /^NSpid:(\t\d+){2}$/m.test(status)
    );
  });

/** Children that run code are under both filters of a sandbox besides. */
const jobs = () =>
  descendantsOf(process.pid).filter((pid) => /^Seccomp_filters:\t3$/m.test(read(`/proc/${pid}/status`)));

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // It ended meanwhile.
  }
}

/** Whether the text lies anywhere in the writable memory of a process. */
function holds(pid: number, text: string): boolean {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const areas = [...read(`/proc/${pid}/maps`).matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)];
  const found = areas.some(([, from = '', to = '']) => {
    const start = BigInt(`0x${from}`);
    const bytes = Buffer.alloc(Number(BigInt(`0x${to}`) - start));
    readSync(memory, bytes, 0, bytes.length, start);
    return bytes.includes(text);
  });
  closeSync(memory);
  return found;
}

describe('a zygote', () => {
  let driver: LocalDriver;

  beforeEach(() => {
    driver = realDriver({ mode: 'zygote', warm: { plain: 2, numpy: 0 } });
    driver.warmUp();
  });

  afterEach(() => driver.close());

  it('holds nothing of a job in its memory, not even while the job runs', async () => {
    const marks = ['code', 'given', 'result'].map((part) => `mark-of-${part}-${Math.random()}`);
    const [inCode = '', inGlobals = '', inResult = ''] = marks;
    const stop = new AbortController();
    const code = `import time\nkept = ${JSON.stringify(inCode)}\nprint("up", flush=True)\ntime.sleep(60)`;
    const up = Promise.withResolvers<void>();
    const globals = { given: inGlobals };
    const running = driver.run(job(code, { globals }), { signal: stop.signal, onOutput: () => up.resolve() });
    await up.promise;
    const hidden = `output = ${JSON.stringify(inResult)}`;
    expect((await driver.run(job(hidden, { resultVariable: 'output' }))).output).toBe(inResult);
    const [zygote = 0] = zygotes();
    expect(holds(zygote, 'serve_children')).toBe(true);
    expect(marks.filter((mark) => holds(zygote, mark))).toEqual([]);
    stop.abort();
    await running;
  });

  it('is followed by another when it has made its children, and ends when the last of them has', async () => {
    await driver.run(job('pass'));
    const first = zygotes();
    expect(first).toHaveLength(1);
    const results = await Promise.all(
      Array.from({ length: 4 }, async (_, lane) => {
        const outputs: unknown[] = [];
        for (let round = 0; round < CHILDREN_OF_ZYGOTE / 2; round++) {
          const described = job(`output = ${lane * 1000 + round}`, { resultVariable: 'output' });
          outputs.push((await driver.run(described)).output);
        }
        return outputs;
      }),
    );
    const expected = results.map((outputs, lane) => outputs.map((_, round) => lane * 1000 + round));
    expect(results).toEqual(expected);
    await until(() => areGone(first));
    expect(zygotes().length).toBeGreaterThan(0);
  });

  it('takes its jobs with it when it is killed, and the next job finds another', async () => {
    const up = Promise.withResolvers<void>();
    const running = driver.run(job('import time\nprint("up", flush=True)\ntime.sleep(60)'), {
      onOutput: () => up.resolve(),
    });
    await up.promise;
    const processes = descendantsOf(process.pid);
    for (const pid of zygotes()) process.kill(pid, 'SIGKILL');
    expect(await running).toMatchObject({ outcome: 'failed', error_type: 'Crashed', stdout: 'up\n' });
    await until(() => areGone(processes));
    expect(await driver.run(job('print("again")'))).toMatchObject({ outcome: 'succeeded', stdout: 'again\n' });
  });

  it('is out of reach of signals to the process group, and so are its other children', async () => {
    const up = Promise.withResolvers<void>();
    const code = 'import time\nprint("up", flush=True)\ntime.sleep(1)\nprint("still here")';
    const other = driver.run(job(code), { onOutput: () => up.resolve() });
    await up.promise;
    const before = zygotes();
    const attacks = [
      'os.kill(0, 9)',
      'os.killpg(os.getpgrp(), 9)',
      'os.kill(-1, 9)',
      'os.kill(1, 9)',
      'os.kill(os.getppid(), 9)',
      'os.kill(1, 2)',
    ];
    const results = await Promise.all(attacks.map((attack) => driver.run(job(`import os\n${attack}\nprint("alive")`))));
    expect(results.map(({ stdout }) => stdout).slice(3)).toEqual(['alive\n', 'alive\n', 'alive\n']);
    expect((await other).stdout).toBe('up\nstill here\n');
    expect(zygotes()).toEqual(expect.arrayContaining(before));
  });

  it('gives each child new namespaces of every kind, and a /tmp that nobody had before', async () => {
    const stop = new AbortController();
    const sleeping = [0, 1].map(() => driver.run(job('import time\ntime.sleep(60)'), { signal: stop.signal }));
    await until(() => jobs().length === 2);
    const owners = [process.pid, ...zygotes(), ...jobs()];
    for (const kind of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup']) {
      const ids = owners.map((pid) => readlinkSync(`/proc/${pid}/ns/${kind}`));
      expect([kind, new Set(ids).size]).toEqual([kind, owners.length]);
    }
    stop.abort();
    await Promise.all(sleeping);
    const code = 'import os\noutput = os.listdir("/tmp")\nopen("/tmp/left-behind", "w").write("x")';
    for (let round = 0; round < 3; round++) {
      expect(await driver.run(job(code, { resultVariable: 'output' }))).toMatchObject({ output: [] });
    }
  });

  it('shares with its children no numbers that were drawn before', async () => {
    const code = `import numpy, random, secrets, uuid
output = [numpy.random.rand(), random.random(), secrets.token_hex(8), str(uuid.uuid4()), numpy.random.default_rng().random()]`;
    const run = async () => (await driver.run(job(code, { resultVariable: 'output' }))).output as unknown[];
    const [one, two, three] = [await run(), await run(), await run()] as [unknown[], unknown[], unknown[]];
    expect(new Set([...one, ...two, ...three]).size).toBe(15);
  });
});

describe('a zygote in trouble', () => {
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  let driver: LocalDriver;
  let troubled: number[];

  beforeEach(async () => {
    driver = realDriver({ mode: 'zygote' });
    await driver.run(job('pass'));
    troubled = zygotes();
  });

  afterEach(async () => {
    await driver.close();
    await until(() => areGone(troubled));
  });

  it('that may make no more children costs the job that needed one, with the reason, and no other', async () => {
    const stop = new AbortController();
    const up = Promise.withResolvers<void>();
    const code = 'import time\nprint("up", flush=True)\ntime.sleep(60)';
    const other = driver.run(job(code), { onOutput: () => up.resolve(), signal: stop.signal });
    await up.promise;
    for (const pid of troubled) execFileSync('/usr/bin/prlimit', ['--pid', String(pid), '--nproc=1'], user);
    await expect(driver.run(job('pass'))).rejects.toThrow('Resource temporarily unavailable');
    expect(await driver.run(job('print("from another")'))).toMatchObject({ stdout: 'from another\n' });
    stop.abort();
    expect(await other).toMatchObject({ outcome: 'cancelled', stdout: 'up\n' });
    await until(() => areGone(troubled));
  });

  it('that hangs is given up with the job that was to start in it', async () => {
    for (const pid of troubled) process.kill(pid, 'SIGSTOP');
    await expect(driver.run(job('pass'))).rejects.toThrow('not ready in time');
    await until(() => areGone(troubled));
    expect(await driver.run(job('print("again")'))).toMatchObject({ stdout: 'again\n' });
  });

  it('that hangs does not keep the service from stopping', async () => {
    for (const pid of troubled) process.kill(pid, 'SIGSTOP');
    const running = driver.run(job('pass'));
    await driver.close();
    expect(await running).toMatchObject({ outcome: 'cancelled' });
  });
});
