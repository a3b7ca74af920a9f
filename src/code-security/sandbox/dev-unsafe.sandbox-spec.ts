import { once } from 'node:events';
import { Logger } from '@nestjs/common';
import { CodeSecurityService } from '../code-security.service.js';
import { areGone, descendantsOf, startServiceWithJob } from './processes.fixture.js';
import { job, realDevUnsafe, until } from './real-sandbox.fixture.js';

const LIMITS = { maxConcurrency: 2, maxTotalMemoryMb: 2048, maxPerParty: 0, maxWaiting: 10 };

describe('the unsafe driver', () => {
  const driver = realDevUnsafe();

  afterAll(() => driver.close());

  it('runs code and marks the answer', async () => {
    const result = await driver.run(job('print(a)\noutput = a + 1', { globals: { a: 1 }, resultVariable: 'output' }));
    expect(result).toMatchObject({
      outcome: 'succeeded',
      stdout: '1\n',
      output: 2,
      isolation: { driver: 'dev-unsafe', level: 'none', cgroup: false },
    });
    expect(result.memory_used_mb).toBeGreaterThan(5);
  });

  it('reports errors and ends what runs too long or holds too much, with the processes it started', async () => {
    expect(await driver.run(job('1/0'))).toMatchObject({ outcome: 'failed', error_type: 'ZeroDivisionError' });
    const before = new Set(descendantsOf(process.pid));
    const started = () => descendantsOf(process.pid).filter((pid) => !before.has(pid));
    const code = 'import subprocess\nsubprocess.Popen(["sleep", "60"]).wait()';
    const running = driver.run(job(code, { timeoutSeconds: 1 }));
    await until(() => started().length === 2);
    const pids = started();
    expect(await running).toMatchObject({ outcome: 'timed_out' });
    await until(() => areGone(pids));
    const hog = job('import time\nheld = b"x" * (300 << 20)\ntime.sleep(9)', { maxMemoryMb: 64 });
    expect(await driver.run(hog)).toMatchObject({ outcome: 'out_of_memory' });
  });

  it('waits for nothing that a job left running', async () => {
    const result = await driver.run(job('import subprocess\nsubprocess.Popen(["sleep", "60"])'));
    expect(result).toMatchObject({ outcome: 'succeeded' });
    expect(result.execution_time).toBeLessThan(5);
  });

  it('ends with the job of a service that is killed', async () => {
    const service = startServiceWithJob('dev-unsafe');
    const pid = service.pid as number;
    await until(() => descendantsOf(pid).length === 1);
    const pids = descendantsOf(pid);
    service.kill('SIGKILL');
    await once(service, 'exit');
    await until(() => areGone(pids));
  }, 15_000);

  it('is available with a warning, in the log too, and calls none of its walls whole', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const security = new CodeSecurityService({ driver, ...LIMITS });
    expect(await security.run(job('print(1)'))).toMatchObject({ stdout: '1\n' });
    const health = security.health();
    expect(health).toMatchObject({ available: true, driver: 'dev-unsafe', level: 'none' });
    expect(health.reason).toContain('Nothing isolates code here');
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('Nothing isolates code here'));
    const walls = health.checks.filter(({ detail }) => detail === 'Not tried: there is no wall.');
    expect(walls).toHaveLength(10);
    expect(walls.filter(({ ok }) => ok)).toEqual([]);
    await security.beforeApplicationShutdown();
  });
});
