import { pythonCommand } from './bubblewrap-arguments.js';
import { findPython, type PythonOptions } from './find-installation.js';
import { onlyPython } from './languages.js';
import { loadRunner } from './load-runner.js';
import type { SandboxKind, SandboxPlan } from './sandbox-kind.js';
import { SandboxProcess } from './sandbox-process.js';
import { readPeakMb, watchSandbox } from './watch-sandbox.js';

const RUNNER = loadRunner(['unconfined']);
const WARNING = 'Nothing isolates code here (SANDBOX_DRIVER=dev-unsafe): run only code that you trust.';

/**
 * A plain Python, which may do all that its user may: for developers on systems without Linux namespaces, to run code
 * that they trust. Production refuses it. Time is limited, and memory where there is a /proc; what stays in the job's
 * process group ends with it.
 */
export function devUnsafeKind(options: PythonOptions): SandboxKind {
  const plan = async (): Promise<SandboxPlan> => {
    const { python, user } = await findPython(options);
    return {
      start: (readiness) => {
        const [program = python, ...args] = pythonCommand(python, RUNNER, readiness);
        return new SandboxProcess({ program, arguments: args, user, setup: null });
      },
      describe: (job) => ({ launch: onlyPython(job, 'dev-unsafe'), seal: null }),
      watch: (sandbox, facts, maxMemoryMb) => {
        const limits = { maxMemoryMb, countFiles: false, readMb: () => readPeakMb(facts.python) ?? 0 };
        return watchSandbox(facts, limits, sandbox.kill.bind(sandbox));
      },
    };
  };
  return { name: 'dev-unsafe', level: 'none', languages: ['python'], warning: WARNING, plan };
}
