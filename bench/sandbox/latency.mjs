import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mustPrint, PYTHON, withSandboxes } from './open-sandboxes.mjs';
import { describeTimes } from './print-table.mjs';

const ROUNDS = 60;
const WARM_UP_ROUNDS = 3;

/** What is asked for, and the floor: the same code in an interpreter that is started for it and isolates nothing. */
export const TASKS = [
  { name: 'print(1)', code: 'print(1)', printed: '1\n', command: [PYTHON, '-I', '-c'], ratio: 0.5, p95_ms: 15 },
  {
    name: 'numpy.mean',
    code: 'import numpy\nprint(numpy.mean([1, 2, 3]))',
    printed: '2.0\n',
    command: [PYTHON, '-I', '-c'],
    ratio: 0.1,
    p95_ms: 20,
  },
  {
    name: 'console.log(1)',
    code: 'console.log(1)',
    printed: '1\n',
    command: [process.execPath, '-e'],
    more: { language: 'javascript' },
  },
];

/** From the call of the driver to the result, each run right after its floor and with all sandboxes warm. */
export async function latency(mode) {
  return withSandboxes({ mode }, async ({ run, untilWarm }) => {
    await untilWarm();
    const tasks = [];
    const missing = [];
    for (const task of TASKS) ((await succeeds(run, task)) ? tasks : missing).push(task);
    const taken = tasks.map(() => ({ floor: [], ours: [] }));
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      for (const [i, task] of tasks.entries()) {
        const floor = await timed(() => runPlain(task));
        await untilWarm();
        const ours = await timed(() => mustPrint(run, task.code, task.printed, task.more));
        await untilWarm();
        if (round >= 0) [taken[i].floor, taken[i].ours].forEach((list, which) => list.push(which ? ours : floor));
      }
    }
    return {
      title: `latency, ${mode}: ${ROUNDS} rounds in turns`,
      rows: tasks.flatMap((task, i) => rowsOf(task, taken[i])),
      ...(missing.length > 0 && { note: `Not run here: ${missing.map(({ name }) => name).join(', ')}.` }),
    };
  });
}

async function succeeds(run, { code, printed, more }) {
  return (await run(code, more)).stdout === printed;
}

function rowsOf({ name, command, ratio, p95_ms }, { floor, ours }) {
  const [cold, warm] = [describeTimes(floor), describeTimes(ours)];
  const targets = ratio === undefined ? {} : { ratio, p95_ms };
  const program = command[0].split('/').at(-1);
  return [
    { label: `${name}, cold ${program}, no isolation`, ...cold, ratio: 1 },
    { label: `${name}, sandbox`, ...warm, ratio: warm.p50_ms / cold.p50_ms, targets },
  ];
}

async function timed(work) {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function runPlain({ command: [program, ...options], code, printed }) {
  const child = spawn(program, [...options, code], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  const [output] = await Promise.all([child.stdout.setEncoding('utf8').toArray(), once(child, 'close')]);
  if (output.join('') !== printed) throw new Error(`${program} printed ${output.join('')}`);
}
