import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { ExecutionsModule } from '../executions/executions.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { IdempotencyModule } from '../platform/idempotency/idempotency.module.js';
import { CheckpointNotices } from './checkpoint-notices.js';
import { AnalyticsController } from './analytics.controller.js';
import { AnalyticsPageController } from './analytics-page.controller.js';
import { AnalyticsRepository } from './analytics.repository.js';
import { AnalyticsService } from './analytics.service.js';
import { CheckpointMetrics } from './checkpoint-metrics.js';
import { CheckpointRepository } from './checkpoint.repository.js';
import { CheckpointsController } from './checkpoints.controller.js';
import { CheckpointsService } from './checkpoints.service.js';
import { CheckpointWriter } from './checkpoint-writer.js';
import { ClockService } from './clock.service.js';
import { DecidersService } from './deciders.service.js';
import { DecisionsService } from './decisions.service.js';
import { DecisionLinksController } from './decision-links.controller.js';
import { DecisionLinksRepository } from './decision-links.repository.js';
import { DecisionLinksService } from './decision-links.service.js';
import { DecisionPageController } from './decision-page.controller.js';
import { DecisionPageService } from './decision-page.service.js';
import { DelegationsController } from './delegations.controller.js';
import { DelegationsRepository } from './delegations.repository.js';
import { DelegationsService } from './delegations.service.js';
import { DeskService } from './desk.service.js';
import { DueCheckpointsService } from './due-checkpoints.service.js';
import { EarlyDecisionsController } from './early-decisions.controller.js';
import { EarlyDecisionsRepository } from './early-decisions.repository.js';
import { EarlyDecisionsService } from './early-decisions.service.js';
import { HandlingService } from './handling.service.js';
import { InboxController } from './inbox.controller.js';
import { InboxRepository } from './inbox.repository.js';
import { QuickDecisions } from './quick-decisions.js';

@Module({
  imports: [AuditModule, ExecutionsModule, IdempotencyModule, NotificationsModule, OrganizationsModule],
  controllers: [
    AnalyticsController,
    AnalyticsPageController,
    CheckpointsController,
    DecisionLinksController,
    DecisionPageController,
    DelegationsController,
    EarlyDecisionsController,
    InboxController,
  ],
  providers: [
    AnalyticsRepository,
    AnalyticsService,
    CheckpointMetrics,
    CheckpointNotices,
    CheckpointRepository,
    CheckpointsService,
    CheckpointWriter,
    ClockService,
    DecidersService,
    DecisionLinksRepository,
    DecisionLinksService,
    DecisionPageService,
    DecisionsService,
    DelegationsRepository,
    DelegationsService,
    DeskService,
    DueCheckpointsService,
    EarlyDecisionsRepository,
    EarlyDecisionsService,
    HandlingService,
    InboxRepository,
    QuickDecisions,
  ],
})
export class CheckpointsModule {}
