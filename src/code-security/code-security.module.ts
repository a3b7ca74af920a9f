import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { Settings } from '../config/settings.js';
import { CodeRunsService } from './code-runs.service.js';
import { CodeSecurityController } from './code-security.controller.js';
import { CodeSecurityService } from './code-security.service.js';
import { BubblewrapDriver } from './sandbox/bubblewrap-driver.js';
import { RefusingDriver } from './sandbox/refusing-driver.js';
import type { SandboxDriver } from './sandbox/sandbox-driver.js';

/** The user and group `nobody` of Linux systems: owns nothing and may nothing. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const MOST_WAITING = 100;

@Module({
  imports: [AuditModule],
  controllers: [CodeSecurityController],
  providers: [
    CodeRunsService,
    {
      provide: CodeSecurityService,
      inject: [Settings],
      useFactory: (settings: Settings) =>
        new CodeSecurityService({
          driver: chooseDriver(settings),
          maxConcurrency: settings.SANDBOX_CONCURRENCY,
          maxTotalMemoryMb: settings.SANDBOX_MEMORY_MB,
          // What the worker runs at once finds a place to wait, and so does who calls the API meanwhile.
          maxWaiting: MOST_WAITING + settings.WORKER_CONCURRENCY,
        }),
    },
  ],
  exports: [CodeSecurityService],
})
export class CodeSecurityModule {}

/** What the operator chose, and never another one in its place. */
function chooseDriver(settings: Settings): SandboxDriver {
  if (settings.SANDBOX_DRIVER === 'none') return new RefusingDriver();
  return new BubblewrapDriver({
    bwrap: settings.SANDBOX_BWRAP,
    python: settings.SANDBOX_PYTHON,
    unprivilegedUser: NOBODY,
  });
}
