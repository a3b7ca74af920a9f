import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type LocalDriver } from './local-driver.js';
import { findControlGroups, type ControlGroups } from './control-groups.js';
import { descendantsOf } from './processes.fixture.js';
import { job, realDriver, until } from './real-sandbox.fixture.js';
import { sandboxFilters } from './seccomp/sandbox-filters.js';
import { hostArchitecture, syscallNumbers, type Architecture } from './seccomp/syscall-numbers.js';

const { groups: found, detail } = findControlGroups();
await found?.close();
/** The layer is optional: on a host that gives no groups the tests shrink to one, whose name says why. */
function whereGiven(name: string, tests: () => void): void {
  if (found) describe(name, tests);
  else it(`${name}: there is none here. ${detail}`, () => expect(found).toBeNull());
}

it('is used exactly where the host gives groups, and told by the driver', async () => {
  for (const [controlGroups, used] of [
    ['auto', found !== null],
    ['off', false],
  ] as const) {
    const driver = realDriver({ controlGroups });
    expect((await driver.run(job('pass'))).isolation.cgroup).toBe(used);
    expect(driver.controlGroups).toEqual(controlGroups === 'auto' ? detail : 'Control groups are not used here.');
    await driver.close();
  }
});

whereGiven('the control group of a job', () => {
  let driver: LocalDriver;
  const withoutGroups = realDriver({ controlGroups: 'off', filters: withMemoryFiles() });

  beforeAll(() => {
    driver = realDriver();
  });

  afterAll(() => Promise.all([driver.close(), withoutGroups.close()]));

  it('holds every process of the sandbox, and is gone with the job', async () => {
    const cancel = new AbortController();
    const running = driver.run(job('import time\nprint("up", flush=True)\ntime.sleep(60)'), {
      signal: cancel.signal,
      onOutput: () => groupsSeen.push(...descendantsOf(process.pid).map(groupOf)),
    });
    const groupsSeen: string[] = [];
    await until(() => groupsSeen.length > 0);
    // bubblewrap outside, which waits, stays with the service.
    expect(groupsSeen.filter((group) => group.includes(`holdpoint-${process.pid}-`))).toHaveLength(2);
    cancel.abort();
    await running;
    expect(await driver.run(job('pass'))).toMatchObject({ outcome: 'succeeded' });
  });

  it('ends a job whose memory neither address space nor watchdog can see', async () => {
    const fill = `
import os
held = []
for n in range(10):
    held.append(os.memfd_create(str(n)))
    for _ in range(30): os.write(held[-1], bytes(1 << 20))
print("300 MB")`;
    const holed = realDriver({ filters: withMemoryFiles() });
    const small = job(fill, { maxMemoryMb: 64 });
    expect(await withoutGroups.run(small)).toMatchObject({ outcome: 'succeeded', stdout: '300 MB\n' });
    expect(await holed.run(small)).toMatchObject({
      outcome: 'out_of_memory',
      error_type: 'MemoryError',
      error_message: 'The kernel ended the code near its memory limit of 64 MB.',
      stdout: '',
    });
    await holed.close();
  });

  it('keeps the peak of a job that crashed between two looks', async () => {
    const crash = job('import ctypes\nheld = b"x" * (240 << 20)\nctypes.string_at(0)', { maxMemoryMb: 256 });
    expect(await driver.run(crash)).toMatchObject({ outcome: 'out_of_memory', error_type: 'MemoryError' });
  });

  it('lets a job have all of its memory and a full /tmp at the same time', async () => {
    const code = `
for name in ("a", "b"):
    with open("/tmp/" + name, "wb") as file:
        for _ in range(31): file.write(bytes(1 << 20))
held = b"x" * (110 << 20)
print(len(held) >> 20)`;
    expect(await driver.run(job(code, { maxMemoryMb: 128 }))).toMatchObject({ outcome: 'succeeded', stdout: '110\n' });
  });
});

whereGiven('control groups of the host', () => {
  let groups: ControlGroups;

  beforeAll(() => {
    groups = findControlGroups().groups as ControlGroups;
  });

  afterAll(() => groups.close());

  /** Runs Python without any other limit in a group for `memoryMb`. */
  async function runIn(code: string, memoryMb: number) {
    const group = groups.create();
    const child = spawn('/usr/bin/python3', ['-I', '-c', `input()\n${code}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    await group.add([child.pid as number]);
    group.limit({ memoryMb, pids: 4 });
    child.stdin.end('\n');
    const output = child.stdout.toArray();
    const [status, signal] = (await once(child, 'exit')) as unknown[];
    const ending = { status, signal, oom: group.outOfMemory(), peakMb: group.peakMb() };
    await group.remove();
    return { ...ending, output: Buffer.concat((await output) as Buffer[]).toString() };
  }

  it('end a process that takes more, and say that they did', async () => {
    expect(await runIn('held = b"x" * (200 << 20)', 64)).toMatchObject({ signal: 'SIGKILL', oom: true });
  });

  it('limit what the kernel keeps for a process, such as names of files that do not exist', async () => {
    const code = `
import os, uuid
new = uuid.uuid4().hex * 6
for n in range(220_000): os.path.exists(f"/usr/{new}{n}")
print("done")`;
    const { peakMb, ...ending } = await runIn(code, 8);
    expect(ending).toEqual({ status: 0, signal: null, oom: false, output: 'done\n' });
    expect(peakMb).toBeGreaterThan(40);
    expect(peakMb).toBeLessThanOrEqual(8 + 64 + 8);
  });

  it('refuse processes beyond their number', async () => {
    const code = `
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except BlockingIOError: print(made, flush=True)
os._exit(0)`;
    expect(await runIn(code, 64)).toMatchObject({ status: 0, output: '3\n' });
  });

  it('are gone when they are removed, with every process that was left in them', async () => {
    const group = groups.create();
    const child = spawn('/usr/bin/sleep', ['60']);
    await group.add([child.pid as number]);
    await Promise.all([group.remove(), once(child, 'exit')]);
    expect(child.signalCode).toBe('SIGKILL');
    await expect(group.add([process.pid])).rejects.toThrow('ENOENT');
  });

  it('take a process that has ended for one that needs no limit', async () => {
    const group = groups.create();
    const child = spawn('/usr/bin/true');
    await once(child, 'exit');
    await group.add([child.pid as number]);
    await group.remove();
  });
});

function groupOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
}

/** Our filters with a hole: files in memory, which no limit but that of a group counts. */
function withMemoryFiles() {
  const architecture = hostArchitecture() as Architecture;
  const { confine, seal } = sandboxFilters(architecture);
  const patched = Buffer.from(confine);
  const number = Uint32Array.of(syscallNumbers[architecture]['memfd_create'] as number);
  patched.writeUInt32LE(
    0x7fff0000,
    patched.indexOf(Buffer.from([0x15, 0, 0, 1, ...new Uint8Array(number.buffer)])) + 12,
  );
  return { confine: patched, seal };
}
