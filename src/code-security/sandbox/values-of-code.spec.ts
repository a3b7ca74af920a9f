import type { LocalDriver } from './local-driver.js';
import { job, outputOf, realDriver } from './real-sandbox.fixture.js';

let driver: LocalDriver;

beforeAll(() => {
  driver = realDriver();
});

afterAll(() => driver.close());

describe('the result variable', () => {
  it('is JSON as strict as it can be, NumPy included', async () => {
    const code = `
import numpy as np
class Level(int): pass
output = {
  "none": None, "yes": True, "int": 2**53, "level": Level(3), "float": 0.1, "text": "ü\\U0001F600", "tuple": (1, [2]),
  "scalar": np.float32(0.5), "flag": np.bool_(True), "word": np.str_("w"), "array": np.arange(6).reshape(2, 3), "empty": {},
}`;
    expect((await outputOf(driver, code)).output).toEqual({
      none: null,
      yes: true,
      int: 2 ** 53,
      level: 3,
      float: 0.1,
      text: 'ü😀',
      tuple: [1, [2]],
      scalar: 0.5,
      flag: true,
      word: 'w',
      array: [
        [0, 1, 2],
        [3, 4, 5],
      ],
      empty: {},
    });
  });

  it('is null when the code sets none, and the input comes as a variable', async () => {
    const input = { name: 'Ada', list: [1, null, 'ü'] };
    const absent = await driver.run(job('print(input["name"])', { globals: { input }, resultVariable: 'output' }));
    expect(absent).toMatchObject({ outcome: 'succeeded', stdout: 'Ada\n', output: null });
    const same = await driver.run(job('output = input', { globals: { input }, resultVariable: 'output' }));
    expect(same.output).toEqual(input);
  });

  it.each([
    ['{"a": [1, {2, 3}]}', "output['a'][1] is of type set, which JSON cannot hold."],
    ['{"a": {1: 2}}', "output['a'] has a key of type int; keys of JSON are text."],
    ['[float("nan")]', 'output[0] is nan, which JSON cannot hold.'],
    ['-float("inf")', 'output is -inf, which JSON cannot hold.'],
    ['{"n": 2**53 + 1}', "output['n'] is an integer beyond 2^53, which readers of JSON would round."],
    ['b"bytes"', 'output is of type bytes, which JSON cannot hold.'],
    ['print', 'output is of type builtin_function_or_method, which JSON cannot hold.'],
    ['__import__("numpy").array([1, complex(1, 1)])', 'output[0] is of type complex, which JSON cannot hold.'],
  ])('cannot be %s, and the message names the place', async (value, message) => {
    const result = await outputOf(driver, `output = ${value}`);
    expect(result).toMatchObject({
      outcome: 'failed',
      error_type: 'OutputNotJson',
      error_message: message,
      output: null,
    });
  });

  it('cannot contain itself', async () => {
    const result = await outputOf(driver, 'output = []\noutput.append(output)');
    expect(result).toMatchObject({ outcome: 'failed', error_type: 'OutputNotJson' });
    expect(result.error_message).toMatch(
      /^output(\[0\])+ … .* is nested deeper than 100 levels, or contains itself\.$/,
    );
  });

  it('is named by whole steps when the way to it is long, so that the end of a secret is left of none', async () => {
    const key = 'sk_live_0123456789abcdefghijklmnopqrstuvwxyz';
    const result = await outputOf(driver, `output = {1}\nfor _ in range(9): output = {"${key}": output}`);
    expect(result.error_message?.split(`['${key}']`)).toEqual([
      'output',
      '',
      ' … ',
      '',
      expect.stringMatching(/^ is of/),
    ]);
  });

  it('may take nearly 1 MiB of JSON and not more', async () => {
    const fits = await outputOf(driver, 'output = "x" * ((1 << 20) - 200)');
    expect(fits).toMatchObject({ outcome: 'succeeded' });
    expect(fits.output).toHaveLength((1 << 20) - 200);
    const tooLarge = await outputOf(driver, 'output = "x" * (1 << 20)');
    expect(tooLarge).toMatchObject({ outcome: 'failed', error_type: 'OutputTooLarge', output: null });
  });

  it('that fights back while it is read fails the run with its own error', async () => {
    const code = 'class Trap(dict):\n  def items(self): raise LookupError("no")\noutput = Trap(a=1)';
    expect(await outputOf(driver, code)).toMatchObject({
      outcome: 'failed',
      error_type: 'LookupError',
      error_message: 'no',
    });
  });
});

async function localsOf(code: string, globals = {}) {
  return (await driver.run(job(code, { captureLocals: true, globals }))).locals_dict;
}

describe('captured local variables', () => {
  it('show built-in values as JSON and everything else by type and repr', async () => {
    const code = `
import os, numpy as np
a, b, c, d, e = None, [1, (2.5, "x")], {"k": True}, 2**60, b"\\x00b"
f = np.arange(4.0).reshape(2, 2)
g = np.zeros(1001)
h = {1: 2}
class Plain:
    def __repr__(self): return "<plain>"
i = Plain()
`;
    expect(await localsOf(code)).toEqual({
      a: null,
      b: [1, [2.5, 'x']],
      c: { k: true },
      d: { $type: 'int', repr: '1152921504606846976' },
      e: { $type: 'bytes', repr: "b'\\x00b'" },
      f: {
        $type: 'ndarray',
        shape: [2, 2],
        dtype: 'float64',
        data: [
          [0, 1],
          [2, 3],
        ],
      },
      g: { $type: 'ndarray', shape: [1001], dtype: 'float64' },
      h: { $type: 'dict', repr: '{1: 2}' },
      Plain: { $type: 'type', repr: "<class '__main__.Plain'>" },
      i: { $type: 'Plain', repr: '<plain>' },
    });
  });

  it('leave out given globals unless the code changed them', async () => {
    expect(await localsOf('changed = kept + 1', { kept: 1, changed: 0 })).toEqual({ changed: 2 });
  });

  it('are cut in breadth, depth and total, and say so', async () => {
    const code = 'wide = list(range(300))\nmany = [list(range(150)) for _ in range(100)]\nlong = "x" * 10_001';
    const locals = await localsOf(code);
    const { wide } = locals as { wide: unknown[] };
    expect(wide.slice(199)).toEqual([199, { $type: 'truncated', repr: '100 more' }]);
    expect(JSON.stringify(locals?.['many'])).toContain('"$type":"truncated"');
    expect(JSON.stringify(locals).length).toBeLessThan(40_000);
  });

  it('come with a failure too, but not with running out of memory', async () => {
    expect(await localsOf('x = 1\n1/0')).toEqual({ x: 1 });
    expect(await localsOf('x = 1\nraise MemoryError')).toBeNull();
  });
});
