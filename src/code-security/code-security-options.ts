import type { Settings } from '../config/settings.js';
import type { CodeSecurityOptions } from './code-security.service.js';
import { chooseDriver, type SandboxSettings } from './sandbox/choose-driver.js';

const MOST_WAITING = 100;
/** A side-car is back a moment after it was restarted, and asking it costs next to nothing. */
const SIDE_CAR_RETRY_MS = 2_000;

/** For the service of a process with a database, and for that of a side-car. */
export function codeSecurityOptions(
  settings: SandboxSettings & Pick<Settings, 'WORKER_CONCURRENCY'>,
): CodeSecurityOptions {
  return {
    driver: chooseDriver(settings),
    maxConcurrency: settings.SANDBOX_CONCURRENCY,
    maxTotalMemoryMb: settings.SANDBOX_MEMORY_MB,
    // Room for what the worker runs at once, and for who calls the API meanwhile.
    maxWaiting: MOST_WAITING + settings.WORKER_CONCURRENCY,
    maxPerParty: settings.SANDBOX_USER_CONCURRENCY,
    ...(settings.SANDBOX_DRIVER === 'remote' ? { retryMs: SIDE_CAR_RETRY_MS } : {}),
  };
}
