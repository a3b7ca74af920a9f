import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { ExpansionService } from './expansion.service.js';
import { MailService } from './mail.service.js';
import { NotificationsService } from './notifications.service.js';
import { WebhookDeliveryRepository } from './webhook-delivery.repository.js';
import { WebhookEndpointRepository } from './webhook-endpoint.repository.js';
import { WebhookEndpointsController } from './webhook-endpoints.controller.js';
import { WebhookEndpointsService } from './webhook-endpoints.service.js';
import { WebhookSendingService } from './webhook-sending.service.js';
import { WebhookTakers } from './webhook-takers.js';

@Module({
  imports: [AuditModule, OrganizationsModule],
  controllers: [WebhookEndpointsController],
  providers: [
    ExpansionService,
    MailService,
    NotificationsService,
    WebhookDeliveryRepository,
    WebhookEndpointRepository,
    WebhookEndpointsService,
    WebhookSendingService,
    WebhookTakers,
  ],
  exports: [NotificationsService],
})
export class NotificationsModule {}
