import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  delegateBody,
  type DelegateBody,
  delegationPage,
  delegationView,
  listDelegationsQuery,
  type ListDelegationsQuery,
} from './checkpoints.dto.js';
import { DelegationsService } from './delegations.service.js';

@ApiTags('checkpoints')
@Controller('api/delegations')
export class DelegationsController {
  constructor(private readonly delegations: DelegationsService) {}

  @ApiOperation({ summary: 'Let a colleague decide for you, for a time (out of office)' })
  @Requires('checkpoint:read')
  @Returns(delegationView, { status: 201 })
  @Post()
  create(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: delegateBody }) body: DelegateBody,
  ) {
    return this.delegations.create(principal, actor, body);
  }

  @ApiOperation({
    summary: 'The delegations you gave or got, newest first; with all=true, for admins, those of everybody',
  })
  @Requires('checkpoint:read')
  @Returns(delegationPage)
  @Get()
  list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: listDelegationsQuery }) { all, ...page }: ListDelegationsQuery,
  ) {
    return this.delegations.list(principal, all, page);
  }

  @ApiOperation({ summary: 'End a delegation now' })
  @Requires('checkpoint:read')
  @Returns(delegationView)
  @Post(':id/revoke')
  revoke(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.delegations.revoke(principal, actor, id);
  }
}
