import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns, ReturnsNothing } from '../platform/http/returns.decorator.js';
import { RateLimit } from '../platform/throttling/rate-limit.guard.js';
import {
  addMemberBody,
  type AddMemberBody,
  changeRoleBody,
  type ChangeRoleBody,
  listMembersQuery,
  type ListMembersQuery,
  memberPage,
  memberView,
} from './members.dto.js';
import { MembersService } from './members.service.js';

@ApiTags('organizations')
@Controller('api/organizations/current/members')
export class MembersController {
  constructor(private readonly members: MembersService) {}

  @ApiOperation({ summary: 'List the members of your organization and their roles' })
  @Requires('organization:read')
  @Returns(memberPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listMembersQuery }) query: ListMembersQuery) {
    return this.members.list(principal.organization_id, query);
  }

  // Tells whether an e-mail has an account, as registering does, and so has the same small budget.
  @ApiOperation({ summary: 'Add somebody who has an account; only an owner adds owners and admins' })
  @Requires('organization:manage')
  @RateLimit('auth')
  @Returns(memberView, { status: 201 })
  @Post()
  add(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: addMemberBody }) body: AddMemberBody,
  ) {
    return this.members.add(actor, principal, body);
  }

  @ApiOperation({ summary: 'Change the role of a member, from their next request on' })
  @Requires('organization:manage')
  @Returns(memberView)
  @Patch(':user_id')
  changeRole(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('user_id', { schema: idParameter }) userId: string,
    @Body({ schema: changeRoleBody }) body: ChangeRoleBody,
  ) {
    return this.members.changeRole(actor, principal, userId, body.role);
  }

  @ApiOperation({ summary: 'Remove a member, which needs organization:manage, or leave the organization' })
  @Requires('organization:read')
  @ReturnsNothing()
  @Delete(':user_id')
  remove(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('user_id', { schema: idParameter }) userId: string,
  ) {
    return this.members.remove(actor, principal, userId);
  }
}
