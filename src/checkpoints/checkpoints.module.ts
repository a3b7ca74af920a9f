import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { ExecutionsModule } from '../executions/executions.module.js';
import { CheckpointRepository } from './checkpoint.repository.js';
import { CheckpointsController } from './checkpoints.controller.js';
import { CheckpointsService } from './checkpoints.service.js';

@Module({
  imports: [AuditModule, ExecutionsModule],
  controllers: [CheckpointsController],
  providers: [CheckpointsService, CheckpointRepository],
  exports: [CheckpointsService],
})
export class CheckpointsModule {}
