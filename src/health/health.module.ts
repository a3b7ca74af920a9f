import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { CodeSecurityModule } from '../code-security/code-security.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { HealthController } from './health.controller.js';
import { ReadinessService } from './readiness.service.js';

@Module({
  imports: [
    TerminusModule.forRoot({ logger: false, gracefulShutdownTimeoutMs: 0 }),
    CodeSecurityModule,
    NotificationsModule,
  ],
  controllers: [HealthController],
  providers: [ReadinessService],
})
export class HealthModule {}
