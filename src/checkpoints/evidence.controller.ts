import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { evidenceFile, historyPage, historyQuery, type HistoryQuery } from './evidence.dto.js';
import { EvidenceService } from './evidence.service.js';

@ApiTags('checkpoints')
@Controller('api/checkpoints')
export class EvidenceController {
  constructor(private readonly evidence: EvidenceService) {}

  @ApiOperation({ summary: 'What happened to a checkpoint, oldest first, with the hashes of its chain' })
  @Requires('checkpoint:read')
  @Returns(historyPage)
  @Get(':id/history')
  history(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Query({ schema: historyQuery }) query: HistoryQuery,
  ) {
    return this.evidence.history(principal, id, query);
  }

  @ApiOperation({
    summary: 'Download the whole record of a checkpoint as one file to verify offline; the export is itself on record',
    description: 'docs/evidence.md has the format and what a file proves.',
  })
  @Requires('audit:read')
  @Returns(evidenceFile)
  @Get(':id/evidence')
  async export(
    @CurrentPrincipal() { organization_id }: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Res({ passthrough: true }) response: Response,
  ) {
    const evidence = await this.evidence.export(actor, organization_id, id);
    response.attachment(`checkpoint-${id}.json`);
    return evidence;
  }
}
