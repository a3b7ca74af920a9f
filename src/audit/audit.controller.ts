import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { sendStream } from '../platform/http/send-stream.js';
import { AuditExportService } from './audit-export.service.js';
import {
  auditPage,
  exportAuditQuery,
  type ExportAuditQuery,
  listAuditQuery,
  type ListAuditQuery,
  verificationView,
} from './audit.dto.js';
import { AuditService } from './audit.service.js';

@ApiTags('audit')
@Controller('api/audit')
export class AuditController {
  constructor(
    private readonly audit: AuditService,
    private readonly exports: AuditExportService,
  ) {}

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

  @ApiOperation({
    summary: 'Download the record of your organization to verify it offline; the export is itself on record',
    description: 'Lines of JSON: a header, then whole records, oldest first. docs/evidence.md has the format.',
  })
  @ApiOkResponse({
    description: 'A header, then a record a line',
    content: { 'application/x-ndjson': { schema: { type: 'string' } } },
  })
  @Requires('audit:read')
  @Get('export')
  async export(
    @CurrentPrincipal() { organization_id }: Principal,
    @CurrentActor() actor: Actor,
    @Query({ schema: exportAuditQuery }) query: ExportAuditQuery,
    @Res() response: Response,
  ) {
    const header = await this.exports.begin(actor, organization_id, query);
    response.attachment(`audit-${header.from_seq}-${header.to_seq}.ndjson`).type('application/x-ndjson');
    await sendStream(response, this.exports.lines(header));
  }
}
