import { job, realDevUnsafe, realDriver, realGvisor } from './real-sandbox.fixture.js';

const warm = { plain: 2, numpy: 0 };
const DRIVERS = {
  'single-use': () => realDriver({ mode: 'single-use', warm }),
  zygote: () => realDriver({ mode: 'zygote', warm }),
  gvisor: () => realGvisor(),
  'dev-unsafe': () => realDevUnsafe(),
};
export type ServiceWithJob = keyof typeof DRIVERS;

/** A process of its own, to be killed: keeps what is warm ready, and runs a job in a sandbox that never ends. */
const driver = DRIVERS[process.argv[2] as ServiceWithJob]();
driver.warmUp();
void driver.run(job('import time\nprint("up", flush=True)\nwhile True: time.sleep(1)', { timeoutSeconds: 300 }));
