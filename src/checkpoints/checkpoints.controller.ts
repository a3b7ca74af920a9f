import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { idParameter } from '../platform/http/id-parameter.js';
import { IfMatch, setEntityTag } from '../platform/http/if-match.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  checkpointPage,
  checkpointView,
  decideBody,
  type DecideBody,
  listCheckpointsQuery,
  type ListCheckpointsQuery,
} from './checkpoints.dto.js';
import { CheckpointsService } from './checkpoints.service.js';

@ApiTags('checkpoints')
@Controller('api/checkpoints')
export class CheckpointsController {
  constructor(private readonly checkpoints: CheckpointsService) {}

  @ApiOperation({ summary: 'The inbox: checkpoints, what has waited longest first; status=open for what waits now' })
  @Requires('checkpoint:read')
  @Returns(checkpointPage)
  @Get()
  list(
    @CurrentPrincipal() { organization_id }: Principal,
    @Query({ schema: listCheckpointsQuery }) query: ListCheckpointsQuery,
  ) {
    return this.checkpoints.list({ ...query, organization_id });
  }

  @ApiOperation({ summary: 'Read a checkpoint: what is shown, and what was decided' })
  @Requires('checkpoint:read')
  @Returns(checkpointView)
  @Get(':id')
  async get(
    @CurrentPrincipal() { organization_id }: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Res({ passthrough: true }) response: Response,
  ) {
    const checkpoint = await this.checkpoints.get(organization_id, id);
    setEntityTag(response, checkpoint.revision);
    return checkpoint;
  }

  @ApiOperation({ summary: 'Decide: approve, edit and approve, or reject. The first decision stands.' })
  @ApiHeader({ name: 'If-Match', required: true, description: 'The ETag of the checkpoint as you read it' })
  @Requires('checkpoint:decide')
  @Returns(checkpointView)
  @Post(':id/decide')
  async decide(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @IfMatch() revision: number,
    @Body({ schema: decideBody }) body: DecideBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const checkpoint = await this.checkpoints.decide(principal, actor, id, revision, body);
    setEntityTag(response, checkpoint.revision);
    return checkpoint;
  }
}
