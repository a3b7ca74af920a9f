import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { Settings } from '../config/settings.js';
import { CodeHistoryService } from './code-history.service.js';
import { CodePolicyRepository } from './code-policy.repository.js';
import { CodePolicyService } from './code-policy.service.js';
import { CodeRunRepository } from './code-run.repository.js';
import { CodeRunsService } from './code-runs.service.js';
import { codeSecurityOptions } from './code-security-options.js';
import { CodeSecurityController } from './code-security.controller.js';
import { CodeSecurityService } from './code-security.service.js';

@Module({
  imports: [AuditModule],
  controllers: [CodeSecurityController],
  providers: [
    CodeRunsService,
    CodeRunRepository,
    CodeHistoryService,
    CodePolicyRepository,
    CodePolicyService,
    {
      provide: CodeSecurityService,
      inject: [Settings],
      useFactory: (settings: Settings) => new CodeSecurityService(codeSecurityOptions(settings)),
    },
  ],
  exports: [CodeSecurityService, CodePolicyService, CodeHistoryService],
})
export class CodeSecurityModule {}
