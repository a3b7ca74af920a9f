import { Controller, Delete, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { InPerson } from '../platform/http/requires.decorator.js';
import { Returns, ReturnsNothing } from '../platform/http/returns.decorator.js';
import { listSessionsQuery, type ListSessionsQuery, sessionPage } from './auth.dto.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('auth')
@InPerson()
@Controller('api/auth/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @ApiOperation({ summary: 'List where you are signed in, newest first' })
  @Returns(sessionPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listSessionsQuery }) query: ListSessionsQuery) {
    return this.sessions.list(principal, query);
  }

  @ApiOperation({ summary: 'End one of your sessions; its tokens stop working at once' })
  @ReturnsNothing()
  @Delete(':id')
  revoke(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.sessions.revoke(actor, principal, id);
  }
}
