import { readFileSync } from 'node:fs';
import { openCanaries, SECRET } from './canaries.fixture.js';
import { SANDBOX_MODES, type SandboxMode } from './local-driver.js';
import { job, realDriver } from './real-sandbox.fixture.js';
import type { CodeOutcome, CodeResult } from './sandbox-driver.js';

/** A member that is missing is not looked at. */
interface HostileCase {
  name: string;
  code: string;
  /** Seconds and MiB; 10 and 256 unless told. */
  timeout?: number;
  memory?: number;
  outcome: CodeOutcome;
  type?: string | null;
  /** A regular expression. */
  message?: string;
  stdout?: string;
  output?: unknown;
  locals?: unknown;
}

const AT_ONCE = 3;
const MEBIBYTE = 1 << 20;
/** What a run may use beyond its limit before it is seen and ended. */
const OVERSHOOT_MB = 64;
const CASES_FILE = new URL('./hostile-cases.javascript.json', import.meta.url);
const cases = JSON.parse(readFileSync(CASES_FILE, 'utf8')) as HostileCase[];
const results = new Map<string, CodeResult>();
/** Connections that the canaries of the host saw. */

function resultOf(name: string): CodeResult {
  const result = results.get(name);
  if (!result) throw new Error(`The case ${name} did not run.`);
  return result;
}

/** In the order of the list and a few at a time, so that what one leaves behind could be found by the next. */
async function runAll(mode: SandboxMode, fill: (code: string) => string): Promise<void> {
  const driver = realDriver({ mode, warm: { plain: 2, numpy: 0 } });
  driver.warmUp();
  const left = cases.values();
  const runSome = async () => {
    for (const { name, code, timeout: timeoutSeconds = 10, memory: maxMemoryMb = 256 } of left) {
      const limits = { timeoutSeconds, maxMemoryMb, captureLocals: true, resultVariable: 'output' };
      results.set(name, await driver.run(job(fill(code), { language: 'javascript', ...limits })));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runSome));
  await driver.close();
}

describe.each(SANDBOX_MODES)('hostile JavaScript in a %s sandbox', (mode) => {
  let heard: string[];

  beforeAll(async () => {
    const canaries = await openCanaries('secret.js');
    await runAll(mode, canaries.fill);
    heard = canaries.heard;
    await canaries.close();
  }, 180_000);

  it.each(cases)('holds against: $name', (expected) => {
    const { name, timeout = 10, memory = 256, message } = expected;
    const result = resultOf(name);
    const seen = { ...result, type: result.error_type, locals: result.locals_dict };
    const asked = (['outcome', 'type', 'stdout', 'output', 'locals'] as const).filter((key) => key in expected);
    const pick = (from: object) => asked.map((key) => [key, (from as Record<string, unknown>)[key]]);
    expect(pick(seen)).toEqual(pick(expected));
    if (message !== undefined) expect(result.error_message).toMatch(new RegExp(message));
    expect(result.execution_time).toBeLessThan(timeout + 1.5);
    expect(result.memory_used_mb).toBeLessThan(memory + OVERSHOOT_MB);
  });

  it('cuts floods and says so', () => {
    expect(resultOf('flood of stdout')).toMatchObject({ stdout_truncated: true, stderr_truncated: false });
    expect(resultOf('flood of stdout').stdout).toHaveLength(MEBIBYTE);
    expect(resultOf('flood of stderr')).toMatchObject({ stdout_truncated: false, stderr_truncated: true });
  });

  it('bounds what local variables may fill, and keeps their odd keys', () => {
    expect(JSON.stringify(resultOf('too many variables').locals_dict).length).toBeLessThan(MEBIBYTE);
    expect(JSON.stringify(resultOf('cycles').locals_dict)).toMatch(/^\{"a":\[{6}\{"\$type":"Array"/);
    expect(Object.keys(resultOf('__proto__ as a key').output as object)).toEqual(['__proto__']);
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });

  it('reaches no port and no socket of the host in any case', () => {
    expect(heard).toEqual([]);
  });

  it('lets nothing of the host and nothing unstorable out in any case', () => {
    const everything = JSON.stringify([...results.values()]);
    expect(everything).not.toMatch(SECRET);
    expect(everything).not.toMatch(/uid=/);
    expect(everything).not.toMatch(/\\u0000|\\ud[89a-f]/i);
  });
});
