import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CodeSecurityService } from '../../dist/src/code-security/code-security.service.js';
import { durableChain, pythonChain } from './definitions.mjs';
import { runMany, withEngine } from './start-engine.mjs';
import { median, takeRounds } from './take-rounds.mjs';

const TASKS = [
  { steps: 40, n: 10 },
  { steps: 10, n: 33 },
];

/** Bare runs of Python of which the median stands for each of the steps. */
const BARE_RUNS = 3;

/**
 * Forty light and ten heavy steps, one after another, each task one execution at a time. The floor has the same work to
 * do: a call in this process, or a Python without sandbox, and one commit a step.
 */
export function fibonacci(bench) {
  return withEngine(bench, (engine, floor) => measureFibonacci(bench, engine, floor), { sandboxed: true });
}

async function measureFibonacci(bench, engine, floor) {
  const title = 'fibonacci: steps with work to do';
  // Also waits until the self-test of the sandbox, which needs both cores, is over.
  const missing = await whySandboxIsMissing(engine.app.get(CodeSecurityService));
  const inProcess = await Promise.all(TASKS.map((task) => measureInProcess(bench, engine, task)));
  if (missing) {
    return { title, rows: await takeRounds(bench, floor, inProcess), note: `No Python without a sandbox: ${missing}` };
  }
  const inSandbox = await Promise.all(TASKS.map((task) => measureInSandbox(bench, engine, task)));
  return { title, rows: await takeRounds(bench, floor, [...inProcess, ...inSandbox]) };
}

async function measureInProcess(bench, engine, { steps, n }) {
  const workflow = await engine.saveWorkflow(durableChain(steps));
  const count = n > 20 ? 1 : bench.count(30);
  const run = async () => {
    engine.replaceRunner(() => fibo(n));
    const work_ms = timeOf(() => fibo(n)) * steps;
    return { ...(await runMany(engine, workflow, { count, inFlight: 1, steps })), steps, work_ms };
  };
  return { label: `${steps} × fibo(${n}) as JavaScript (runner replaced)`, run };
}

async function measureInSandbox({ settings }, engine, { steps, n }) {
  const code = pythonFibo(n);
  const workflow = await engine.saveWorkflow(pythonChain(steps, code));
  const run = async () => {
    engine.replaceRunner();
    const work_ms = (await timeOfPython(settings.SANDBOX_PYTHON, code)) * steps;
    return { ...(await runMany(engine, workflow, { count: 1, inFlight: 1, steps })), steps, work_ms };
  };
  return { label: `${steps} × fibo(${n}) as Python in the sandbox`, run };
}

function fibo(n) {
  return n < 2 ? n : fibo(n - 1) + fibo(n - 2);
}

function pythonFibo(n) {
  return `def fibo(n):\n    return n if n < 2 else fibo(n - 1) + fibo(n - 2)\n\noutput = fibo(${n})\n`;
}

function timeOf(work) {
  const began = performance.now();
  work();
  return performance.now() - began;
}

async function timeOfPython(python, code) {
  const times = [];
  for (let i = 0; i < BARE_RUNS; i++) {
    const began = performance.now();
    const [status] = await once(spawn(python, ['-I', '-c', code], { stdio: 'ignore' }), 'close');
    if (status !== 0) throw new Error(`${python} ended with status ${status}`);
    times.push(performance.now() - began);
  }
  return median(times);
}

/** Null when Python runs. */
async function whySandboxIsMissing(codeSecurity) {
  try {
    const job = {
      language: 'python',
      code: 'output = 1',
      timeoutSeconds: 30,
      maxMemoryMb: 512,
      resultVariable: 'output',
    };
    const { outcome } = await codeSecurity.run(job);
    return outcome === 'succeeded' ? null : outcome;
  } catch (error) {
    return error.message;
  }
}
