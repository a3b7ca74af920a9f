import { Body, Controller, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { ExecutionControlService } from './execution-control.service.js';
import {
  executionView,
  iterationParameter,
  nodeParameter,
  sendSignalBody,
  type SendSignalBody,
  sendSignalByKeyBody,
  type SendSignalByKeyBody,
  signalView,
} from './executions.dto.js';
import { ExecutionsService } from './executions.service.js';
import { SignalsService } from './signals.service.js';

@ApiTags('executions')
@Controller('api')
export class ExecutionControlController {
  constructor(
    private readonly control: ExecutionControlService,
    private readonly executions: ExecutionsService,
    private readonly signals: SignalsService,
  ) {}

  @ApiOperation({ summary: 'Cancel an execution: what runs is stopped, open checkpoints and children are withdrawn' })
  @Requires('execution:control')
  @Returns(executionView)
  @Post('executions/:id/cancel')
  async cancel(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    await this.control.cancel(principal, actor, id);
    return this.executions.get(principal.organization_id, id);
  }

  @ApiOperation({ summary: 'Have an execution stand still: running steps finish, nothing more starts' })
  @Requires('execution:control')
  @Returns(executionView)
  @Post('executions/:id/pause')
  async pause(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    await this.control.pause(principal, actor, id);
    return this.executions.get(principal.organization_id, id);
  }

  @ApiOperation({ summary: 'Let a paused execution go on' })
  @Requires('execution:control')
  @Returns(executionView)
  @Post('executions/:id/resume')
  async resume(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    await this.control.resume(principal, actor, id);
    return this.executions.get(principal.organization_id, id);
  }

  @ApiOperation({ summary: 'Have a failed execution go on from the step that failed' })
  @Requires('execution:control')
  @Returns(executionView)
  @Post('executions/:id/retry')
  async retry(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
  ) {
    await this.control.retry(principal, actor, id);
    return this.executions.get(principal.organization_id, id);
  }

  @ApiOperation({ summary: 'Cancel one open step: its branch ends there, the others go on' })
  @Requires('execution:control')
  @Returns(executionView)
  @Post('executions/:id/steps/:node_id/:iteration/cancel')
  async cancelStep(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Param('node_id', { schema: nodeParameter }) node_id: string,
    @Param('iteration', { schema: iterationParameter }) iteration: number,
  ) {
    await this.control.cancelStep(principal, actor, id, { node_id, iteration });
    return this.executions.get(principal.organization_id, id);
  }

  @ApiOperation({ summary: 'Send a signal to an execution; it is kept until a wait node takes it' })
  @Requires('execution:start')
  @Returns(signalView, { status: 202 })
  @Post('executions/:id/signals')
  signal(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @Body({ schema: sendSignalBody }) body: SendSignalBody,
  ) {
    return this.signals.sendTo(principal, actor, id, body);
  }

  @ApiOperation({ summary: 'Send a signal to whichever execution waits for it under the key, now or later' })
  @Requires('execution:start')
  @Returns(signalView, { status: 202 })
  @Post('signals')
  signalByKey(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: sendSignalByKeyBody }) body: SendSignalByKeyBody,
  ) {
    return this.signals.sendByKey(principal, actor, body);
  }
}
