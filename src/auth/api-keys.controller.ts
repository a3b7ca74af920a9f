import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { InPerson } from '../platform/http/requires.decorator.js';
import { Returns, ReturnsNothing } from '../platform/http/returns.decorator.js';
import {
  apiKeyPage,
  createApiKeyBody,
  type CreateApiKeyBody,
  createdApiKeyView,
  listApiKeysQuery,
  type ListApiKeysQuery,
} from './api-keys.dto.js';
import { ApiKeysService } from './api-keys.service.js';

@ApiTags('auth')
@InPerson()
@Controller('api/auth/api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  @ApiOperation({
    summary: 'Make a key by which a program acts as you, in this organization',
    description:
      'Send the key in place of an access token: `Authorization: Bearer hp_…`. It may do what its scopes say and your role allows at the time of each request. It is shown in this answer only.',
  })
  @Returns(createdApiKeyView, { status: 201 })
  @Post()
  create(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: createApiKeyBody }) body: CreateApiKeyBody,
  ) {
    return this.apiKeys.create(actor, principal, body);
  }

  @ApiOperation({ summary: 'List your keys in this organization, newest first; revoked and expired ones too' })
  @Returns(apiKeyPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listApiKeysQuery }) query: ListApiKeysQuery) {
    return this.apiKeys.list(principal, query);
  }

  @ApiOperation({ summary: 'Revoke one of your keys; it stops working at once' })
  @ReturnsNothing()
  @Delete(':id')
  revoke(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.apiKeys.revoke(actor, principal, id);
  }
}
