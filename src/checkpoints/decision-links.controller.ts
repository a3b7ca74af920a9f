import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  linkPage,
  linkView,
  listLinksQuery,
  type ListLinksQuery,
  madeLinkView,
  makeLinkBody,
  type MakeLinkBody,
} from './decision-links.dto.js';
import { DecisionLinksService } from './decision-links.service.js';

@ApiTags('checkpoints')
@Controller('api/checkpoints')
export class DecisionLinksController {
  constructor(private readonly links: DecisionLinksService) {}

  @ApiOperation({ summary: 'Make a link that decides once, for a member or for somebody without an account' })
  @Requires('checkpoint:read')
  @Returns(madeLinkView, { status: 201 })
  @Post(':id/links')
  make(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Body({ schema: makeLinkBody }) body: MakeLinkBody,
  ) {
    return this.links.make(principal, actor, id, body);
  }

  @ApiOperation({
    summary: 'The links of a checkpoint, without their addresses; for admins all, else those for you or that you made',
  })
  @Requires('checkpoint:read')
  @Returns(linkPage)
  @Get(':id/links')
  list(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Query({ schema: listLinksQuery }) page: ListLinksQuery,
  ) {
    return this.links.list(principal, id, page);
  }

  @ApiOperation({ summary: 'Revoke a link: it opens nothing any more' })
  @Requires('checkpoint:read')
  @Returns(linkView)
  @Post('links/:id/revoke')
  revoke(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.links.revoke(principal, actor, id);
  }
}
