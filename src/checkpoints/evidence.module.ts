import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { EvidenceController } from './evidence.controller.js';
import { EvidenceRepository } from './evidence.repository.js';
import { EvidenceService } from './evidence.service.js';

/** Reads only: beside the module that decides, and without a part in it. */
@Module({
  imports: [AuditModule],
  controllers: [EvidenceController],
  providers: [EvidenceService, EvidenceRepository],
})
export class EvidenceModule {}
