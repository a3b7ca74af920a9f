import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { idParameter } from '../platform/http/id-parameter.js';
import { IdempotencyKey } from '../platform/http/idempotency-key.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  attemptsView,
  executionPage,
  executionSummaryView,
  executionView,
  iterationParameter,
  listEventsQuery,
  type ListEventsQuery,
  listExecutionsQuery,
  type ListExecutionsQuery,
  listOfWorkflowQuery,
  type ListOfWorkflowQuery,
  nodeParameter,
  PRIORITIES,
  rerunBody,
  type RerunBody,
  startExecutionBody,
  type StartExecutionBody,
  timelineView,
} from './executions.dto.js';
import { ExecutionsService } from './executions.service.js';

@ApiTags('executions')
@Controller('api')
export class ExecutionsController {
  constructor(private readonly executions: ExecutionsService) {}

  @ApiOperation({ summary: 'Start an execution; it is accepted, and runs whatever happens to this process' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Starts one execution, however often it is sent',
  })
  @Requires('execution:start')
  @Returns(executionSummaryView, { status: 202 })
  @Post('executions')
  async start(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: startExecutionBody }) { priority, ...body }: StartExecutionBody,
    @IdempotencyKey() idempotency_key: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ) {
    const given = { ...body, priority: PRIORITIES[priority], idempotency_key };
    const { execution, replayed } = await this.executions.start(principal, actor, given);
    response.location(`/api/executions/${execution.id}`);
    if (replayed) response.setHeader('Idempotency-Replayed', 'true');
    return execution;
  }

  @ApiOperation({ summary: 'List executions, newest first' })
  @Requires('execution:read')
  @Returns(executionPage)
  @Get('executions')
  list(
    @CurrentPrincipal() { organization_id }: Principal,
    @Query({ schema: listExecutionsQuery }) query: ListExecutionsQuery,
  ) {
    return this.executions.list({ ...query, organization_id });
  }

  @ApiOperation({ summary: 'List the executions of a workflow, newest first' })
  @Requires('execution:read')
  @Returns(executionPage)
  @Get('workflows/:id/executions')
  listOfWorkflow(
    @CurrentPrincipal() { organization_id }: Principal,
    @Param('id', { schema: idParameter }) workflow_id: string,
    @Query({ schema: listOfWorkflowQuery }) query: ListOfWorkflowQuery,
  ) {
    return this.executions.list({ ...query, workflow_id, organization_id });
  }

  @ApiOperation({ summary: 'Read an execution with its steps' })
  @Requires('execution:read')
  @Returns(executionView)
  @Get('executions/:id')
  get(@CurrentPrincipal() principal: Principal, @Param('id', { schema: idParameter }) id: string) {
    return this.executions.get(principal.organization_id, id);
  }

  @ApiOperation({ summary: 'Read the timeline of an execution, oldest first' })
  @Requires('execution:read')
  @Returns(timelineView)
  @Get('executions/:id/events')
  events(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Query({ schema: listEventsQuery }) query: ListEventsQuery,
  ) {
    return this.executions.events(principal.organization_id, id, query.after, query.limit);
  }

  @ApiOperation({ summary: 'Read every try of a step' })
  @Requires('execution:read')
  @Returns(attemptsView)
  @Get('executions/:id/steps/:node_id/:iteration/attempts')
  attempts(
    @CurrentPrincipal() { organization_id }: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Param('node_id', { schema: nodeParameter }) node_id: string,
    @Param('iteration', { schema: iterationParameter }) iteration: number,
  ) {
    return this.executions.attempts(organization_id, id, { node_id, iteration });
  }

  @ApiOperation({ summary: 'Repeat an execution from a step on, as a new one; what came before the step is kept' })
  @Requires('execution:start')
  @Returns(executionSummaryView, { status: 202 })
  @Post('executions/:id/rerun')
  async rerun(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Body({ schema: rerunBody }) { from }: RerunBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const execution = await this.executions.rerun(principal, actor, id, from);
    response.location(`/api/executions/${execution.id}`);
    return execution;
  }
}
