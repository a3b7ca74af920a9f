import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { auditPage, listAuditQuery, type ListAuditQuery, verificationView } from './audit.dto.js';
import { AuditService } from './audit.service.js';

@ApiTags('audit')
@Controller('api/audit')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @ApiOperation({ summary: 'List what was done in your organization, newest first' })
  @Requires('audit:read')
  @Returns(auditPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listAuditQuery }) query: ListAuditQuery) {
    return this.audit.list({ ...query, organization_id: principal.organization_id });
  }

  @ApiOperation({ summary: 'Recompute the hash chain of your organization and say whether it is intact' })
  @Requires('audit:read')
  @Returns(verificationView)
  @Get('verify')
  verify(@CurrentPrincipal() principal: Principal) {
    return this.audit.verify(principal.organization_id);
  }
}
