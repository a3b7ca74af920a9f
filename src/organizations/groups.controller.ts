import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns, ReturnsNothing } from '../platform/http/returns.decorator.js';
import {
  groupBody,
  type GroupBody,
  groupMemberPage,
  groupPage,
  groupView,
  listGroupsQuery,
  type ListGroupsQuery,
} from './groups.dto.js';
import { GroupsService } from './groups.service.js';

@ApiTags('organizations')
@Controller('api/organizations/current/groups')
export class GroupsController {
  constructor(private readonly groups: GroupsService) {}

  @ApiOperation({ summary: 'List the groups of your organization by name' })
  @Requires('organization:read')
  @Returns(groupPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listGroupsQuery }) query: ListGroupsQuery) {
    return this.groups.list(principal.organization_id, query);
  }

  @ApiOperation({ summary: 'Make a group, by which checkpoints can ask for people' })
  @Requires('organization:manage')
  @Returns(groupView, { status: 201 })
  @Post()
  create(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: groupBody }) body: GroupBody,
  ) {
    return this.groups.create(actor, principal.organization_id, body.name);
  }

  @ApiOperation({ summary: 'Rename a group; definitions that name it by its old name find it no more' })
  @Requires('organization:manage')
  @Returns(groupView)
  @Patch(':id')
  rename(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Body({ schema: groupBody }) body: GroupBody,
  ) {
    return this.groups.rename(actor, principal.organization_id, id, body.name);
  }

  @ApiOperation({ summary: 'Delete a group; its members stay members of the organization' })
  @Requires('organization:manage')
  @ReturnsNothing()
  @Delete(':id')
  delete(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.groups.delete(actor, principal.organization_id, id);
  }

  @ApiOperation({ summary: 'List who is in a group' })
  @Requires('organization:read')
  @Returns(groupMemberPage)
  @Get(':id/members')
  members(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Query({ schema: listGroupsQuery }) query: ListGroupsQuery,
  ) {
    return this.groups.listMembers(principal.organization_id, id, query);
  }

  @ApiOperation({ summary: 'Put a member of the organization into a group' })
  @Requires('organization:manage')
  @ReturnsNothing()
  @Put(':id/members/:user_id')
  addMember(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Param('user_id', { schema: idParameter }) userId: string,
  ) {
    return this.groups.addMember(actor, principal.organization_id, id, userId);
  }

  @ApiOperation({ summary: 'Take a member out of a group' })
  @Requires('organization:manage')
  @ReturnsNothing()
  @Delete(':id/members/:user_id')
  removeMember(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Param('user_id', { schema: idParameter }) userId: string,
  ) {
    return this.groups.removeMember(actor, principal.organization_id, id, userId);
  }
}
