import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalDriver } from './local-driver.js';
import { job, realDriver } from './real-sandbox.fixture.js';
import type { CodeJob } from './sandbox-driver.js';
import { hostArchitecture, syscallNumbers, type Architecture } from './seccomp/syscall-numbers.js';

let driver: LocalDriver;

beforeAll(() => {
  driver = realDriver();
});

afterAll(() => driver.close());

const run = (code: string, changes: Partial<CodeJob> = {}) =>
  driver.run(job(code, { language: 'javascript', resultVariable: 'output', ...changes }));
const localsOf = async (code: string, globals = {}) => (await run(code, { captureLocals: true, globals })).locals_dict;

describe('JavaScript in a sandbox', () => {
  it('reports what a job did, used and was run in', async () => {
    expect(await run('console.log(1)\nconsole.error("e")')).toEqual({
      outcome: 'succeeded',
      stdout: '1\n',
      stderr: 'e\n',
      stdout_truncated: false,
      stderr_truncated: false,
      error_type: null,
      error_message: null,
      error_line: null,
      execution_time: expect.any(Number),
      memory_used_mb: expect.any(Number),
      locals_dict: null,
      output: null,
      isolation: { driver: 'bubblewrap', level: 'namespaces', cgroup: expect.any(Boolean) as boolean },
    });
  });

  it('prints and computes within the smallest limit of memory', async () => {
    const code = 'const a = Array.from({ length: 1e5 }, (_, n) => n); console.log(a.length); output = a.at(-1)';
    expect(await run(code, { maxMemoryMb: 64 })).toMatchObject({
      outcome: 'succeeded',
      stdout: '100000\n',
      output: 99999,
    });
  });

  it('gives globals and locals as variables, which the code may change or declare anew', async () => {
    const code = 'const b = 5; a.n += 1; output = [a, b, c, Object.keys(d)]';
    const globals = { a: { n: 1 }, b: 2, c: 3 };
    const result = await run(code, { globals, locals: { c: 4, d: JSON.parse('{"__proto__":1}') as unknown } });
    expect(result.output).toEqual([{ n: 2 }, 5, 4, ['__proto__']]);
  });

  it('does several operations in their order, in callbacks and threads too, and waits for all', async () => {
    const code = `
const { Worker } = require('worker_threads');
console.log('first');
setTimeout(() => console.log('timer'), 20);
Promise.resolve().then(() => console.log('then'));
process.on('exit', () => console.log('exit'));
const doubled = new Promise((resolve) => {
  new Worker('require("worker_threads").parentPort.postMessage(42)', { eval: true }).on('message', resolve);
});
output = (async () => [await doubled, (await import('node:path')).basename('/a/b'), require('zlib').gzipSync('').length])();`;
    expect(await run(code)).toMatchObject({ stdout: 'first\nthen\ntimer\nexit\n', stderr: '', output: [42, 'b', 20] });
  });

  it('writes all of its output before it ends, however large and by whatever exit', async () => {
    const { stdout } = await run('console.log("x".repeat(500_000)); process.stdout.write("end"); process.exit(0)');
    expect(stdout).toHaveLength(500_004);
    expect(stdout.endsWith('x\nend')).toBe(true);
  });

  it.each([
    ['let a = 1;\nlet b = ;', 'does_not_compile', 'SyntaxError', "Unexpected token ';'", 2],
    ['return 1', 'does_not_compile', 'SyntaxError', 'Illegal return statement', 1],
    ['const f = () => { throw new TypeError("no") };\n\nf();', 'failed', 'TypeError', 'no', 1],
    ['const read = (t) =>\n  JSON.parse(t);\nread("x")', 'failed', 'SyntaxError', /not valid JSON/, 2],
    ['class Odd extends Error {}\nthrow new Odd("m")', 'failed', 'Odd', 'm', 2],
    ['setTimeout(() => {\n  missing;\n})', 'failed', 'ReferenceError', 'missing is not defined', 2],
    ['(async () => {\n  await 0;\n  throw new Error("late");\n})()', 'failed', 'Error', 'late', 3],
    ['throw "text"', 'failed', 'string', 'text', null],
    ['process.exit(3)', 'failed', 'ProcessExit', /exit code 3/, null],
    ['process.exitCode = 4', 'failed', 'ProcessExit', /exit code 4/, null],
    ['process.abort()', 'failed', 'Aborted', /abort/, null],
    ['new ArrayBuffer(2 ** 40)', 'out_of_memory', 'RangeError', 'Array buffer allocation failed', 1],
  ])('tells of %j: %s, %s', async (code, outcome, type, message, line) => {
    expect(await run(code)).toMatchObject({
      outcome,
      error_type: type,
      error_message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
      error_line: line,
      output: null,
    });
  });

  it('shows the stack of an error without frames that are not the code’s', async () => {
    const { stderr } = await run('const f = () => require("fs").readFileSync("/none");\nf()');
    expect(stderr).toMatch(
      /^Uncaught Error: ENOENT.*\n {4}at f \(<code>:1:\d+\)\n {4}at <code>:2:1 \{\n {2}errno: -2,/,
    );
  });

  it('runs a listener for uncaught exceptions in place of failing', async () => {
    const code = 'process.on("uncaughtException", (e) => { output = e.message }); throw new Error("heard")';
    expect(await run(code)).toMatchObject({ outcome: 'succeeded', output: 'heard' });
  });

  it('shows two jobs at once nothing of each other', async () => {
    const code = `
const fs = require('fs');
fs.writeFileSync('/tmp/' + me, '');
const alive = (pid) => { try { return process.kill(pid, 0) } catch { return false } };
output = new Promise((resolve) => setTimeout(() => {
  const threads = Array.from({ length: 300 }, (_, n) => n + 1).filter(alive);
  resolve([fs.readdirSync('/tmp'), process.pid, threads.length < 8 && threads.at(-1) < 20]);
}, 500));`;
    const results = await Promise.all(['a', 'b'].map((me) => run(code, { globals: { me } })));
    expect(results.map(({ output }) => output)).toEqual(['a', 'b'].map((me) => [[me], 2, true]));
  });

  it('is refused, and Python is not, where Node does not start for the user of the sandboxes', async () => {
    const other = realDriver({ interpreters: { javascript: '/nowhere/node' } });
    const refusal = {
      name: 'SandboxUnavailableError',
      message: expect.stringMatching(/JavaScript cannot run here: \/now/),
    };
    await expect(other.run(job('1', { language: 'javascript' }))).rejects.toMatchObject(refusal);
    expect(await other.run(job('print(1)'))).toMatchObject({ outcome: 'succeeded' });
  });
});

describe('the result variable of JavaScript', () => {
  it('is JSON as JSON.stringify would make it of what JSON has a place for', async () => {
    const code = `
const output = { none: null, yes: true, int: 2 ** 60, minus: -0.5, text: 'ü😀', list: [[], {}], gone: undefined,
  date: new Date(0), bare: Object.assign(Object.create(null), { a: 1 }), get computed() { return 1 } };`;
    expect((await run(code)).output).toEqual({
      none: null,
      yes: true,
      int: 2 ** 60,
      minus: -0.5,
      text: 'ü😀',
      list: [[], {}],
      date: '1970-01-01T00:00:00.000Z',
      bare: { a: 1 },
      computed: 1,
    });
  });

  it('is null when the code sets none, and what a promise came to', async () => {
    expect(await run('1')).toMatchObject({ outcome: 'succeeded', output: null });
    expect((await run('let output = new Promise((r) => setTimeout(r, 10, [1]))')).output).toEqual([1]);
  });

  it.each([
    ['{ a: [1, { b: 10n }] }', 'output["a"][1]["b"] is of type bigint, which JSON cannot hold.'],
    ['[NaN]', 'output[0] is NaN, which JSON cannot hold.'],
    ['-Infinity', 'output is -Infinity, which JSON cannot hold.'],
    ['[undefined]', 'output[0] is undefined, which JSON cannot hold.'],
    ['{ f() {} }', 'output["f"] is of type function, which JSON cannot hold.'],
    ['new Map([[1, 2]])', 'output is of type Map, which JSON cannot hold.'],
    ['new (class Point {})()', 'output is of type Point, which JSON cannot hold.'],
    ['new Uint8Array(2)', 'output is of type Uint8Array, which JSON cannot hold.'],
  ])('cannot be %s, and the message names the place', async (value, message) => {
    expect(await run(`output = ${value}`)).toMatchObject({
      outcome: 'failed',
      error_type: 'OutputNotJson',
      error_message: message,
      output: null,
    });
  });

  it('is named by whole steps when the way to it is long, so that the end of a secret is left of none', async () => {
    const key = 'sk_live_0123456789abcdefghijklmnopqrstuvwxyz';
    const result = await run(`output = () => 1; for (let n = 0; n < 9; n++) output = { "${key}": output };`);
    expect(result.error_message?.split(`["${key}"]`)).toEqual([
      'output',
      '',
      ' … ',
      '',
      expect.stringMatching(/^ is /),
    ]);
  });

  it('cannot contain itself, nor be larger than a frame', async () => {
    const cyclic = await run('output = []; output.push(output)');
    expect(cyclic.error_message).toMatch(
      /^output(\[0\])+ … .* is nested deeper than 100 levels, or contains itself\.$/,
    );
    expect((await run('output = "x".repeat((1 << 20) - 200)')).output).toHaveLength((1 << 20) - 200);
    const large = await run('output = Array(9e4).fill("x".repeat(20))');
    expect(large).toMatchObject({ outcome: 'failed', error_type: 'OutputTooLarge', output: null });
  });
});

describe('captured variables of JavaScript', () => {
  it('show plain values as JSON and everything else by type and repr', async () => {
    const code = `
const a = null; let b = [1, [2.5, 'x']]; var c = { k: true }; d = 10n;
class Plain { n = 1 }
function f() {}
const g = new Plain(), h = new Set([1]), i = undefined, j = NaN, k = /x/;`;
    expect(await localsOf(code)).toEqual({
      a: null,
      b: [1, [2.5, 'x']],
      c: { k: true },
      d: { $type: 'bigint', repr: '10n' },
      Plain: { $type: 'function', repr: '[class Plain]' },
      f: { $type: 'function', repr: '[Function: f]' },
      g: { $type: 'Plain', repr: 'Plain { n: 1 }' },
      h: { $type: 'Set', repr: 'Set(1) { 1 }' },
      i: { $type: 'undefined', repr: 'undefined' },
      j: { $type: 'number', repr: 'NaN' },
      k: { $type: 'RegExp', repr: '/x/' },
    });
  });

  it('leave out given globals unless the code changed them', async () => {
    const code = 'changed = kept + 1; const shadowed = 3';
    expect(await localsOf(code, { kept: 1, changed: 0, shadowed: 2 })).toEqual({ changed: 2, shadowed: 3 });
  });

  it('are cut in breadth, depth and total, and say so', async () => {
    const code = `
const wide = [...Array(300).keys()], long = 'x'.repeat(10_001), many = Array.from({ length: 100 }, () => Array(150).fill(0));
const deep = [[[[[[[[]]]]]]]];`;
    const locals = (await localsOf(code)) as Record<string, unknown[]>;
    expect(locals['wide']?.slice(199)).toEqual([199, { $type: 'truncated', repr: '100 more' }]);
    expect(JSON.stringify(locals['many'])).toContain('"$type":"truncated"');
    expect(JSON.stringify(locals['long']).length).toBeLessThan(10_100);
    expect(JSON.stringify(locals).length).toBeLessThan(40_000);
  });

  it('come with a failure too, as far as it got', async () => {
    expect(await localsOf('const x = 1; missing; const y = 2')).toEqual({ x: 1 });
  });
});

/** An interpreter of our own: a file that obeys the protocol is a language. It tries to exec again, in every way there is. */
const TRIES_EXEC = `#!/usr/bin/python3 -I
import ctypes, json, os, resource, sys
if os.path.exists("/proc/self/status"):
    sys.exit(print(open("/proc/self/status").read()))
libc = ctypes.CDLL(None, use_errno=True)
def attempt(number, *arguments):
    return [libc.syscall(number, *arguments), ctypes.get_errno()]
NUMBERS
true, none = b"/usr/bin/true", (ctypes.c_char_p * 2)(b"true", None)
job = json.load(os.fdopen(3))
opened = os.open("/usr/bin/true", os.O_RDONLY)
output = {
    "execve": attempt(execve, true, none, None),
    "execveat": attempt(execveat, -100, true, none, None, 0),
    "by descriptor": attempt(execveat, opened, b"", none, None, 0x1000),
    "another filter": attempt(seccomp, 1, 8, None),
    "listener": [libc.ioctl(fd, ctypes.c_ulong(0xC0502100), ctypes.create_string_buffer(80)) for fd in range(64)].count(0),
    "code": job["code"],
    "given": sorted(job),
    "capabilities dropped": attempt(mount, b"tmpfs", b"/tmp", b"tmpfs", 0, None),
}
frame = json.dumps({"outcome": "succeeded", "output": output}).encode()
os.write(4, len(frame).to_bytes(4, "little") + frame)
`;

describe('a sandbox that became another interpreter', () => {
  it('can never exec again, has no listener of its filter, and was given the job and nothing of its seal', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'interpreter-'));
    await chmod(folder, 0o755);
    const path = join(folder, 'interpreter');
    const numbers = syscallNumbers[hostArchitecture() as Architecture];
    const assignments = ['execve', 'execveat', 'seccomp', 'mount'].map((name) => `${name} = ${numbers[name]}`);
    await writeFile(path, TRIES_EXEC.replace('NUMBERS', assignments.join('\n')), { mode: 0o755 });
    const other = realDriver({ interpreters: { javascript: path } });
    const result = await other.run(job('the code', { language: 'javascript', resultVariable: 'output' }));
    await rm(folder, { recursive: true });
    const [EPERM, ENOSYS] = [1, 38];
    expect(result).toMatchObject({ outcome: 'succeeded', stderr: '' });
    expect(result.output).toEqual({
      execve: [-1, ENOSYS],
      execveat: [-1, EPERM],
      'by descriptor': [-1, EPERM],
      'another filter': [-1, EPERM],
      listener: 0,
      code: 'the code',
      given: ['capture_locals', 'code', 'globals', 'locals', 'name', 'result_variable'],
      'capabilities dropped': [-1, EPERM],
    });
  });
});
