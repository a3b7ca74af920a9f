import { Logger } from '@nestjs/common';
import { CodeSecurityService, type CodeSecurityOptions } from './code-security.service.js';
import { job, realDriver, until } from './sandbox/real-sandbox.fixture.js';
import { RefusingDriver } from './sandbox/refusing-driver.js';
import {
  SandboxUnavailableError,
  type CodeResult,
  type RunOptions,
  type SandboxDriver,
} from './sandbox/sandbox-driver.js';

/** One instruction: return SECCOMP_RET_ALLOW. */
const ALLOW_EVERYTHING = Buffer.from('060000000000ff7f', 'hex');

const own = process.getuid?.() ?? 0;
/** As root: nobody was named. Otherwise: only root could be somebody else. */
const WRONG_USER = own === 0 ? undefined : { uid: own + 1, gid: own + 1 };

function service(changes: Partial<CodeSecurityOptions> = {}): CodeSecurityService {
  return new CodeSecurityService({
    driver: realDriver(),
    maxConcurrency: 2,
    maxTotalMemoryMb: 1024,
    maxWaiting: 100,
    maxPerParty: 2,
    ...changes,
  });
}

/** The real driver, whose jobs may also be made to find no sandbox. The self-test's jobs never are. */
class FailingStarts implements SandboxDriver {
  private readonly real = realDriver();
  readonly name = this.real.name;
  readonly isolation = this.real.isolation;
  tests = 0;

  run(described: Parameters<SandboxDriver['run']>[0], options?: RunOptions): Promise<CodeResult> {
    if (described.code === 'no sandbox') return Promise.reject(new SandboxUnavailableError('none to be had'));
    if (described.resultVariable === 'checks') this.tests += 1;
    return this.real.run(described, options);
  }

  close(): Promise<void> {
    return this.real.close();
  }
}

describe('CodeSecurityService', () => {
  beforeAll(() => Logger.overrideLogger(false));

  it('says that it is being checked, then that it is available, and runs code', async () => {
    const security = service();
    expect(security.health()).toMatchObject({ available: false, checked_at: null });
    security.onApplicationBootstrap();
    expect(await security.run(job('print(1)'))).toMatchObject({ outcome: 'succeeded', stdout: '1\n' });
    expect(security.health()).toMatchObject({
      available: true,
      reason: null,
      driver: 'bubblewrap',
      level: 'namespaces',
    });
    await security.beforeApplicationShutdown();
  });

  it.each([
    ['the driver is none', () => new RefusingDriver(), 'SANDBOX_DRIVER=none'],
    ['bubblewrap is missing', () => realDriver({ bwrap: '/nowhere/bwrap' }), '/nowhere/bwrap'],
    ['sandboxes would run as whom they must not', () => realDriver({ unprivilegedUser: WRONG_USER }), 'SANDBOX_UID'],
    [
      'the filters let everything through',
      () =>
        realDriver({
          filters: { confine: ALLOW_EVERYTHING, seal: ALLOW_EVERYTHING, sealForLaunch: ALLOW_EVERYTHING },
        }),
      'sockets_refused',
    ],
  ])('runs nothing and says why when %s', async (_, driver, reason) => {
    const security = service({ driver: driver() });
    await expect(security.run(job('print(1)'))).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'SANDBOX_UNAVAILABLE',
      message: expect.stringContaining(reason) as string,
    });
    expect(security.health()).toMatchObject({ available: false, reason: expect.stringContaining(reason) as string });
    await security.beforeApplicationShutdown();
  });

  it('answers fifty at once on two places, each with its own output', async () => {
    const security = service();
    const numbers = Array.from({ length: 50 }, (_, index) => index);
    const results = await Promise.all(
      numbers.map((number) => security.run(job(`print(${number})`, { maxMemoryMb: 128 }))),
    );
    expect(results.map(({ stdout }) => stdout)).toEqual(numbers.map((number) => `${number}\n`));
    expect(security.health()).toMatchObject({ running: 0, queued: 0 });
    await security.beforeApplicationShutdown();
  });

  it('refuses one more than may wait, and frees the places of those who go away', async () => {
    const security = service({ maxConcurrency: 1, maxWaiting: 1 });
    await security.run(job('pass'));
    const goAway = new AbortController();
    const sleeping = job('import time\ntime.sleep(60)');
    const both = [sleeping, sleeping].map((described) => security.run(described, { signal: goAway.signal }));
    await expect(security.run(job('pass'))).rejects.toMatchObject({
      kind: 'too_many',
      code: 'SANDBOX_QUEUE_FULL',
    });
    goAway.abort();
    expect((await Promise.all(both)).map(({ outcome }) => outcome)).toEqual(['cancelled', 'cancelled']);
    expect(await security.run(job('print(1)'))).toMatchObject({ stdout: '1\n' });
    await security.beforeApplicationShutdown();
  });

  it('refuses more memory than the host shares out, instead of waiting for it for ever', async () => {
    const security = service({ maxTotalMemoryMb: 256 });
    expect(security.limits().max_memory_mb).toEqual({ min: 64, max: 256, default: 256 });
    await expect(security.run(job('pass'))).rejects.toMatchObject({ kind: 'invalid', code: 'MEMORY_OVER_LIMIT' });
    await security.beforeApplicationShutdown();
  });

  it('tests itself again after three starts that failed in a row', async () => {
    const driver = new FailingStarts();
    const security = service({ driver });
    for (const code of ['no sandbox', 'no sandbox', 'pass', 'no sandbox', 'no sandbox']) {
      await security.run(job(code)).catch(() => null);
    }
    expect(driver.tests).toBe(1);
    await expect(security.run(job('no sandbox'))).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
    await until(() => driver.tests === 2);
    await security.beforeApplicationShutdown();
  });

  it('lets a job finish when it stops, and starts none after it', async () => {
    const security = service();
    await security.run(job('pass'));
    const running = security.run(job('import time\ntime.sleep(0.3)\nprint("done")'));
    await Promise.resolve();
    await security.beforeApplicationShutdown();
    expect(await running).toMatchObject({ outcome: 'succeeded', stdout: 'done\n' });
    await expect(security.run(job('pass'))).rejects.toMatchObject({ kind: 'unavailable' });
  });
});
