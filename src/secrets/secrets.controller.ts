import { Body, Controller, Delete, Get, Param, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns, ReturnsNothing } from '../platform/http/returns.decorator.js';
import {
  listSecretsQuery,
  type ListSecretsQuery,
  secretNameParameter,
  secretPage,
  secretView,
  setSecretBody,
  type SetSecretBody,
} from './secrets.dto.js';
import { SecretsService } from './secrets.service.js';

@ApiTags('secrets')
@Controller('api/secrets')
export class SecretsController {
  constructor(private readonly secrets: SecretsService) {}

  @ApiOperation({ summary: 'List the names of the secrets of your organization; nothing shows their values' })
  @Requires('workflow:read')
  @Returns(secretPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listSecretsQuery }) query: ListSecretsQuery) {
    return this.secrets.list(principal.organization_id, query);
  }

  @ApiOperation({ summary: 'Make a secret that code can ask for by its name, or change its value' })
  @Requires('organization:manage')
  @Returns(secretView)
  @Put(':name')
  set(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('name', { schema: secretNameParameter }) name: string,
    @Body({ schema: setSecretBody }) body: SetSecretBody,
  ) {
    return this.secrets.set(principal, actor, name, body.value);
  }

  @ApiOperation({ summary: 'Delete a secret; steps that ask for it fail from then on' })
  @Requires('organization:manage')
  @ReturnsNothing()
  @Delete(':name')
  delete(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('name', { schema: secretNameParameter }) name: string,
  ) {
    return this.secrets.delete(principal, actor, name);
  }
}
