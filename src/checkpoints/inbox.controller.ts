import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  checkpointPage,
  countInboxQuery,
  type CountInboxQuery,
  inboxCounts,
  inboxQuery,
  type InboxQuery,
} from './checkpoints.dto.js';
import { CheckpointsService } from './checkpoints.service.js';
import { claimantOf } from './deciders.service.js';

@ApiTags('checkpoints')
@Controller('api/inbox')
export class InboxController {
  constructor(private readonly checkpoints: CheckpointsService) {}

  @ApiOperation({
    summary:
      'Your inbox: what is yours to decide now, what has waited longest first; assigned names you, claimable is for any of several',
  })
  @Requires('checkpoint:read')
  @Returns(checkpointPage)
  @Get()
  inbox(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Query({ schema: inboxQuery }) query: InboxQuery,
  ) {
    return this.checkpoints.listInbox(claimantOf(principal, actor), query);
  }

  @ApiOperation({ summary: 'How many checkpoints each view of your inbox has' })
  @Requires('checkpoint:read')
  @Returns(inboxCounts)
  @Get('counts')
  counts(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Query({ schema: countInboxQuery }) { within_seconds }: CountInboxQuery,
  ) {
    return this.checkpoints.countInbox(claimantOf(principal, actor), within_seconds);
  }
}
