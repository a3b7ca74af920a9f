import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { z } from 'zod';
import { DomainError } from '../platform/errors/domain-error.js';
import { IdempotencyKey } from '../platform/http/idempotency-key.js';
import { idParameter } from '../platform/http/id-parameter.js';
import { IfMatch, setEntityTag } from '../platform/http/if-match.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { STATUS_OF_KIND } from '../platform/http/problem.filter.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import type { Sight } from './checkpoint.repository.js';
import {
  checkpointPage,
  checkpointView,
  commentBody,
  type CommentBody,
  decideBody,
  type DecideBody,
  decidedMany,
  decideManyBody,
  type DecideManyBody,
  listCheckpointsQuery,
  type ListCheckpointsQuery,
  reassignBody,
  type ReassignBody,
} from './checkpoints.dto.js';
import { CheckpointsService } from './checkpoints.service.js';
import { claimantOf } from './deciders.service.js';
import { DecisionsService } from './decisions.service.js';
import { HandlingService } from './handling.service.js';
import { viewCheckpoint } from './view-checkpoint.js';

type ManyItem = DecideManyBody['decisions'][number];

@ApiTags('checkpoints')
@Controller('api/checkpoints')
export class CheckpointsController {
  constructor(
    private readonly checkpoints: CheckpointsService,
    private readonly decisions: DecisionsService,
    private readonly handling: HandlingService,
  ) {}

  @ApiOperation({ summary: 'Checkpoints across executions, by the time they were opened' })
  @Requires('checkpoint:read')
  @Returns(checkpointPage)
  @Get()
  list(
    @CurrentPrincipal() { organization_id }: Principal,
    @Query({ schema: listCheckpointsQuery }) query: ListCheckpointsQuery,
  ) {
    return this.checkpoints.list({ ...query, organization_id });
  }

  @ApiOperation({ summary: 'Read a checkpoint: what is shown, what was decided, and what you may do with it' })
  @Requires('checkpoint:read')
  @Returns(checkpointView)
  @Get(':id')
  async get(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Res({ passthrough: true }) response: Response,
  ) {
    const { sight, preview } = await this.checkpoints.get(claimantOf(principal, actor), id);
    return answer(response, sight, preview);
  }

  @ApiOperation({ summary: 'Decide up to a hundred checkpoints, each for itself; the answer has a result for each' })
  @Requires('checkpoint:read')
  @Returns(decidedMany)
  @Post('decide')
  async decideMany(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: decideManyBody }) { decisions }: DecideManyBody,
  ) {
    const data = [];
    for (const one of decisions) data.push(await this.decideOneOfMany(principal, actor, one));
    return { data };
  }

  /** Whether one's role may decide is for the gate to say, so that a refusal is on record. */
  @ApiOperation({
    summary:
      'Decide: approve, edit and approve, reject, or what else the checkpoint offers. The first decision stands.',
  })
  @ApiHeader({ name: 'If-Match', required: true, description: 'The ETag of the checkpoint as you read it' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'Decides once, however often it is sent' })
  @Requires('checkpoint:read')
  @Returns(checkpointView)
  @Post(':id/decide')
  async decide(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @IfMatch() revision: number,
    @IdempotencyKey() key: string | undefined,
    @Body({ schema: decideBody }) body: DecideBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const { organization_id, user_id } = principal;
    const route = `POST /api/checkpoints/${id}/decide`;
    const repeatable =
      key === undefined ? undefined : { organization_id, user_id, route, key, body: { ...body, revision } };
    const done = await this.decisions.decide(
      claimantOf(principal, actor),
      id,
      { ...body, revision },
      { repeatable, toBody },
    );
    if ('sight' in done) return answer(response, done.sight);
    response.setHeader('Idempotency-Replayed', 'true');
    const before = z.encode(checkpointView, done.replayed as z.output<typeof checkpointView>);
    setEntityTag(response, before.revision);
    return before;
  }

  @ApiOperation({ summary: 'Take back your decision, as long as the quorum is not reached' })
  @Requires('checkpoint:read')
  @Returns(checkpointView)
  @Post(':id/withdraw-decision')
  async withdraw(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Res({ passthrough: true }) response: Response,
  ) {
    return answer(response, await this.handling.withdrawVote(claimantOf(principal, actor), id));
  }

  @ApiOperation({ summary: 'Claim it: nobody else decides it until you release it' })
  @Requires('checkpoint:read')
  @Returns(checkpointView)
  @Post(':id/claim')
  async claim(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Res({ passthrough: true }) response: Response,
  ) {
    return answer(response, await this.handling.claim(claimantOf(principal, actor), id));
  }

  @ApiOperation({ summary: 'Release it; an admin may do so for others' })
  @Requires('checkpoint:read')
  @Returns(checkpointView)
  @Post(':id/release')
  async release(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Res({ passthrough: true }) response: Response,
  ) {
    return answer(response, await this.handling.release(claimantOf(principal, actor), id, manages(principal)));
  }

  @ApiOperation({ summary: 'Hand it to others, and only to them; whoever could decide it may, and an admin' })
  @Requires('checkpoint:read')
  @Returns(checkpointView)
  @Post(':id/reassign')
  async reassign(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Body({ schema: reassignBody }) { comment, ...to }: ReassignBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const claimant = claimantOf(principal, actor);
    return answer(response, await this.handling.reassign(claimant, id, to, comment ?? null, manages(principal)));
  }

  @ApiOperation({ summary: 'Comment on it; the comment is part of its history' })
  @Requires('checkpoint:read')
  @Returns(checkpointView, { status: 201 })
  @Post(':id/comments')
  async comment(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Body({ schema: commentBody }) { text }: CommentBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    return answer(response, await this.handling.comment(claimantOf(principal, actor), id, text));
  }

  private async decideOneOfMany(principal: Principal, actor: Actor, { id, ...attempt }: ManyItem) {
    try {
      const done = await this.decisions.decide(claimantOf(principal, actor), id, attempt);
      if (!('sight' in done)) throw new Error('nothing in bulk is replayed');
      const { revision, status } = done.sight.checkpoint;
      return { id, status: 200, revision, checkpoint_status: status, error: null };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const { code, message: detail, errors = [] } = error;
      return {
        id,
        status: STATUS_OF_KIND[error.kind],
        revision: null,
        checkpoint_status: null,
        error: { code, detail, errors },
      };
    }
  }
}

const toBody = (sight: Sight) => checkpointView.parse(viewCheckpoint(sight, []));

const manages = ({ permissions }: Principal) => permissions.has('organization:manage');

function answer(response: Response, sight: Sight, preview: Parameters<typeof viewCheckpoint>[1] = []) {
  setEntityTag(response, sight.checkpoint.revision);
  return viewCheckpoint(sight, preview);
}
