import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns, ReturnsNothing } from '../platform/http/returns.decorator.js';
import {
  createEndpointBody,
  type CreateEndpointBody,
  deliveryPage,
  endpointPage,
  endpointView,
  endpointWithSecretView,
  listEndpointsQuery,
  type ListEndpointsQuery,
  testView,
  updateEndpointBody,
  type UpdateEndpointBody,
} from './webhook-endpoints.dto.js';
import { WebhookEndpointsService } from './webhook-endpoints.service.js';

@ApiTags('webhooks')
@Controller('api/webhooks/endpoints')
export class WebhookEndpointsController {
  constructor(private readonly endpoints: WebhookEndpointsService) {}

  @ApiOperation({ summary: 'Say where to send events; the answer shows the secret that signs them, once' })
  @Requires('organization:manage')
  @Returns(endpointWithSecretView, { status: 201 })
  @Post()
  async create(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: createEndpointBody }) body: CreateEndpointBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const endpoint = await this.endpoints.create(principal, actor, body);
    response.location(`/api/webhooks/endpoints/${endpoint.id}`);
    return endpoint;
  }

  @ApiOperation({ summary: 'List the endpoints, oldest first' })
  @Requires('organization:manage')
  @Returns(endpointPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listEndpointsQuery }) query: ListEndpointsQuery) {
    return this.endpoints.list(principal.organization_id, query);
  }

  @ApiOperation({ summary: 'Read an endpoint' })
  @Requires('organization:manage')
  @Returns(endpointView)
  @Get(':id')
  get(@CurrentPrincipal() principal: Principal, @Param('id', { schema: idParameter }) id: string) {
    return this.endpoints.get(principal.organization_id, id);
  }

  @ApiOperation({ summary: 'Change an endpoint, or switch it off or on' })
  @Requires('organization:manage')
  @Returns(endpointView)
  @Patch(':id')
  update(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Body({ schema: updateEndpointBody }) body: UpdateEndpointBody,
  ) {
    return this.endpoints.update(principal, actor, id, body);
  }

  @ApiOperation({ summary: 'Delete an endpoint with its history; what waits for it is not sent' })
  @Requires('organization:manage')
  @ReturnsNothing()
  @Delete(':id')
  async delete(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    await this.endpoints.delete(principal, actor, id);
  }

  @ApiOperation({ summary: 'Change the secret; for a day all is signed with the old one too' })
  @Requires('organization:manage')
  @Returns(endpointWithSecretView)
  @Post(':id/rotate-secret')
  rotateSecret(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.endpoints.rotateSecret(principal, actor, id);
  }

  @ApiOperation({ summary: 'Send a webhook.test event to this endpoint' })
  @Requires('organization:manage')
  @Returns(testView, { status: 202 })
  @Post(':id/test')
  test(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    return this.endpoints.test(principal, actor, id);
  }

  @ApiOperation({ summary: 'List the attempts to deliver to an endpoint in the last 30 days, newest first' })
  @Requires('organization:manage')
  @Returns(deliveryPage)
  @Get(':id/deliveries')
  deliveries(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Query({ schema: listEndpointsQuery }) query: ListEndpointsQuery,
  ) {
    return this.endpoints.listDeliveries(principal.organization_id, id, query);
  }
}
