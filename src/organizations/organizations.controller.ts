import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { InPerson, Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  listOrganizationsQuery,
  type ListOrganizationsQuery,
  organizationView,
  ownOrganizationPage,
} from './organizations.dto.js';
import { OrganizationsService } from './organizations.service.js';

@ApiTags('organizations')
@Controller('api/organizations')
export class OrganizationsController {
  constructor(private readonly organizations: OrganizationsService) {}

  @ApiOperation({ summary: 'List the organizations you belong to; sign in with organization_id to enter another' })
  @InPerson()
  @Returns(ownOrganizationPage)
  @Get()
  list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: listOrganizationsQuery }) query: ListOrganizationsQuery,
  ) {
    return this.organizations.listOwn(principal, query);
  }

  @ApiOperation({ summary: 'Read the organization you are signed in to' })
  @Requires('organization:read')
  @Returns(organizationView)
  @Get('current')
  current(@CurrentPrincipal() principal: Principal) {
    return this.organizations.get(principal.organization_id);
  }
}
