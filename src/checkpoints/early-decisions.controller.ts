import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  earlyDecisionList,
  earlyDecisionView,
  giveEarlyBody,
  type GiveEarlyBody,
  listEarlyQuery,
  type ListEarlyQuery,
} from './checkpoints.dto.js';
import { claimantOf } from './deciders.service.js';
import { EarlyDecisionsService } from './early-decisions.service.js';

@ApiTags('checkpoints')
@Controller('api/early-decisions')
export class EarlyDecisionsController {
  constructor(private readonly early: EarlyDecisionsService) {}

  @ApiOperation({
    summary: 'Decide a checkpoint that the execution has not reached yet; it is judged and applied when it does',
  })
  @Requires('checkpoint:decide')
  @Returns(earlyDecisionView, { status: 202 })
  @Post()
  give(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: giveEarlyBody }) body: GiveEarlyBody,
  ) {
    return this.early.give(claimantOf(principal, actor), body);
  }

  @ApiOperation({ summary: 'The early decisions on an execution, and what became of them' })
  @Requires('checkpoint:read')
  @Returns(earlyDecisionList)
  @Get()
  async list(
    @CurrentPrincipal() { organization_id }: Principal,
    @Query({ schema: listEarlyQuery }) { execution_id }: ListEarlyQuery,
  ) {
    return { data: await this.early.list(organization_id, execution_id) };
  }

  @ApiOperation({ summary: 'Take back an early decision of yours that was not applied yet' })
  @Requires('checkpoint:decide')
  @Returns(earlyDecisionView)
  @Post(':id/cancel')
  cancel(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.early.cancel(claimantOf(principal, actor), id);
  }
}
