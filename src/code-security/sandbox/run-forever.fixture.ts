import { job, realDriver } from './real-sandbox.fixture.js';

/** A process of its own, to be killed: runs a job that never ends and says so. */
void realDriver().run(job('import time\nprint("up", flush=True)\nwhile True: time.sleep(1)', { timeoutSeconds: 300 }));
