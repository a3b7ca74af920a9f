import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { ExecutionsModule } from '../executions/executions.module.js';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { DemoService } from './demo.service.js';

/** What a visitor finds outside production. */
@Module({
  imports: [AuthModule, OrganizationsModule, WorkflowsModule, ExecutionsModule],
  providers: [DemoService],
})
export class DemoModule {}
