import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { listMembersQuery, type ListMembersQuery, memberPage, organizationView } from './organizations.dto.js';
import { OrganizationsService } from './organizations.service.js';

@ApiTags('organizations')
@Controller('api/organizations')
export class OrganizationsController {
  constructor(private readonly organizations: OrganizationsService) {}

  @ApiOperation({ summary: 'Read the organization you are signed in to' })
  @Requires('organization:read')
  @Returns(organizationView)
  @Get('current')
  current(@CurrentPrincipal() principal: Principal) {
    return this.organizations.get(principal.organization_id);
  }

  @ApiOperation({ summary: 'List the members of your organization and their roles' })
  @Requires('organization:read')
  @Returns(memberPage)
  @Get('current/members')
  members(@CurrentPrincipal() principal: Principal, @Query({ schema: listMembersQuery }) query: ListMembersQuery) {
    return this.organizations.listMembers(principal.organization_id, query);
  }
}
