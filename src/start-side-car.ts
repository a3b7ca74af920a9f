import { ConsoleLogger, Logger, type LogLevel } from '@nestjs/common';
import { codeSecurityOptions } from './code-security/code-security-options.js';
import { CodeSecurityService } from './code-security/code-security.service.js';
import { serveSandbox } from './code-security/serve-sandbox.js';
import { SettingsError } from './config/load-settings.js';
import type { GivenSettings } from './config/settings.js';

/** From the least important; a level of the settings and its name in Nest. */
const LEVELS: Readonly<Record<GivenSettings['LOG_LEVEL'], LogLevel | null>> = {
  trace: 'verbose',
  debug: 'debug',
  info: 'log',
  warn: 'warn',
  error: 'error',
  fatal: 'fatal',
  silent: null,
};

/** HOLDPOINT_ROLES=sandbox: runs code for other processes, which ask at a socket. Neither a database nor secrets. */
export async function start(settings: GivenSettings): Promise<void> {
  const level = LEVELS[settings.LOG_LEVEL];
  Logger.overrideLogger(level ? new ConsoleLogger({ json: true, logLevels: levelsFrom(level) }) : false);
  const service = new CodeSecurityService(codeSecurityOptions(settings));
  const socket = settings.SANDBOX_SOCKET ?? '';
  const server = await serveSandbox(service, socket).catch((error: Error) => {
    throw new SettingsError([`SANDBOX_SOCKET: ${error.message}`]);
  });
  service.onApplicationBootstrap();
  const stop = async () => {
    const closed = server.close();
    await service.beforeApplicationShutdown();
    server.hangUp();
    await closed;
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
  process.stdout.write(`\n  Holdpoint runs code for whoever asks at ${socket}\n\n`);
}

function levelsFrom(least: LogLevel): LogLevel[] {
  const all = Object.values(LEVELS).filter((level) => level !== null);
  return all.slice(all.indexOf(least));
}
