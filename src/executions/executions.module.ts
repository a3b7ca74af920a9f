import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { CodeSecurityModule } from '../code-security/code-security.module.js';
import { SecretsModule } from '../secrets/secrets.module.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { Cancellation } from './cancellation.js';
import { ChildrenRepository } from './children.repository.js';
import { CodeRunner } from './code-runner.js';
import { EndedExecutions } from './ended-executions.js';
import { ExecutionControlController } from './execution-control.controller.js';
import { ExecutionControlService } from './execution-control.service.js';
import { OutsideChanges } from './outside-changes.js';
import { OutsideService } from './outside.service.js';
import { QuickStarts } from './quick-starts.js';
import { RetentionService } from './retention.service.js';
import { SignalsRepository } from './signals.repository.js';
import { SignalsService } from './signals.service.js';
import { ExecutionRepository } from './execution.repository.js';
import { ExecutionsController } from './executions.controller.js';
import { ExecutionsService } from './executions.service.js';
import { LocalWorker } from './local-worker.js';
import { NodeRunner } from './node-runner.js';
import { ParkedSteps } from './parked-steps.js';
import { StepLogsRepository } from './step-logs.repository.js';
import { TurnCommits } from './turn-commits.js';
import { TurnRepository } from './turn.repository.js';
import { TurnWriter } from './turn-writer.js';
import { WakeUps } from './wake-ups.js';
import { WorkerService } from './worker.service.js';

@Module({
  imports: [AuditModule, WorkflowsModule, CodeSecurityModule, SecretsModule],
  controllers: [ExecutionsController, ExecutionControlController],
  providers: [
    Cancellation,
    ChildrenRepository,
    CodeRunner,
    EndedExecutions,
    ExecutionControlService,
    OutsideChanges,
    OutsideService,
    SignalsRepository,
    SignalsService,
    StepLogsRepository,
    ExecutionsService,
    ExecutionRepository,
    TurnRepository,
    TurnCommits,
    TurnWriter,
    LocalWorker,
    NodeRunner,
    QuickStarts,
    RetentionService,
    ParkedSteps,
    WakeUps,
    WorkerService,
  ],
  exports: [ExecutionsService, ParkedSteps, WorkerService],
})
export class ExecutionsModule {}
