import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { StandardSchemaSerializerInterceptor } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { JwtAuthGuard } from './auth/jwt-auth.guard.js';
import { CheckpointsModule } from './checkpoints/checkpoints.module.js';
import { EvidenceModule } from './checkpoints/evidence.module.js';
import { CodeSecurityModule } from './code-security/code-security.module.js';
import { ConfigModule } from './config/config.module.js';
import type { Settings } from './config/settings.js';
import { dataSourceOptions } from './data-source.js';
import { DemoModule } from './demo/demo.module.js';
import { ExecutionsModule } from './executions/executions.module.js';
import { HealthModule } from './health/health.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { OrganizationsModule } from './organizations/organizations.module.js';
import { DatabaseModule } from './platform/database/database.module.js';
import type { OpenDatabase } from './platform/database/open-database.js';
import { HttpModule } from './platform/http/http.module.js';
import { PermissionGuard } from './platform/http/permission.guard.js';
import { ProblemFilter } from './platform/http/problem.filter.js';
import { SchemaPipe } from './platform/http/schema.pipe.js';
import { JobsModule } from './platform/jobs/jobs.module.js';
import { LoggingModule } from './platform/logging/logging.module.js';
import { MetricsModule } from './platform/metrics/metrics.module.js';
import { OutboundModule } from './platform/outbound/outbound.module.js';
import { RateLimitGuard } from './platform/throttling/rate-limit.guard.js';
import { ThrottlingModule } from './platform/throttling/throttling.module.js';
import { SecretsModule } from './secrets/secrets.module.js';
import { WorkflowsModule } from './workflows/workflows.module.js';

@Module({})
export class AppModule {
  static forRoot(settings: Settings, database: OpenDatabase): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(settings),
        LoggingModule,
        HttpModule,
        OutboundModule,
        ThrottlingModule,
        DatabaseModule.forRoot(database, dataSourceOptions(settings.DATABASE_URL, settings.DATABASE_POOL_SIZE)),
        JobsModule,
        MetricsModule,
        AuditModule,
        OrganizationsModule,
        NotificationsModule,
        AuthModule,
        CodeSecurityModule,
        SecretsModule,
        WorkflowsModule,
        ExecutionsModule,
        CheckpointsModule,
        EvidenceModule,
        HealthModule,
        ...(settings.DEMO_DATA ? [DemoModule] : []),
      ],
      providers: [
        // In this order: who is it, is it too often, may they.
        { provide: APP_GUARD, useExisting: JwtAuthGuard },
        { provide: APP_GUARD, useClass: RateLimitGuard },
        { provide: APP_GUARD, useClass: PermissionGuard },
        { provide: APP_PIPE, useClass: SchemaPipe },
        { provide: APP_INTERCEPTOR, useClass: StandardSchemaSerializerInterceptor },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    };
  }
}
