import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { CodeSecurityModule } from '../code-security/code-security.module.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { ExecutionRepository } from './execution.repository.js';
import { ExecutionsController } from './executions.controller.js';
import { ExecutionsService } from './executions.service.js';
import { NodeRunner } from './node-runner.js';
import { ParkedSteps } from './parked-steps.js';
import { TurnCommits } from './turn-commits.js';
import { TurnRepository } from './turn.repository.js';
import { TurnWriter } from './turn-writer.js';
import { WakeUps } from './wake-ups.js';
import { WorkerService } from './worker.service.js';

@Module({
  imports: [AuditModule, WorkflowsModule, CodeSecurityModule],
  controllers: [ExecutionsController],
  providers: [
    ExecutionsService,
    ExecutionRepository,
    TurnRepository,
    TurnCommits,
    TurnWriter,
    NodeRunner,
    ParkedSteps,
    WakeUps,
    WorkerService,
  ],
  exports: [ExecutionsService, ParkedSteps, WorkerService],
})
export class ExecutionsModule {}
