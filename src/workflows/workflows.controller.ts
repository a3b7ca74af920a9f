import { Body, Controller, Get, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { IfMatch, setEntityTag } from '../platform/http/if-match.js';
import { idParameter } from '../platform/http/id-parameter.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import {
  createWorkflowBody,
  type CreateWorkflowBody,
  listQuery,
  type ListQuery,
  updateWorkflowBody,
  type UpdateWorkflowBody,
  validateDefinitionBody,
  type ValidateDefinitionBody,
  validationView,
  versionNumber,
  versionPage,
  versionView,
  workflowPage,
  workflowView,
} from './workflows.dto.js';
import { WorkflowsService } from './workflows.service.js';

@ApiTags('workflows')
@Controller('api/workflows')
export class WorkflowsController {
  constructor(private readonly workflows: WorkflowsService) {}

  @ApiOperation({ summary: 'Create a workflow with its first version' })
  @Requires('workflow:write')
  @Returns(workflowView, { status: 201 })
  @Post()
  async create(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: createWorkflowBody }) body: CreateWorkflowBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const workflow = await this.workflows.create(principal, actor, body);
    response.location(`/api/workflows/${workflow.id}`);
    setEntityTag(response, workflow.revision);
    return workflow;
  }

  @ApiOperation({ summary: 'Say what is wrong with a definition, without saving it' })
  @Requires('workflow:read')
  @Returns(validationView)
  @Post('validate')
  validate(@Body({ schema: validateDefinitionBody }) body: ValidateDefinitionBody) {
    return this.workflows.validate(body.definition);
  }

  @ApiOperation({ summary: 'List the workflows, newest first' })
  @Requires('workflow:read')
  @Returns(workflowPage)
  @Get()
  list(@CurrentPrincipal() principal: Principal, @Query({ schema: listQuery }) query: ListQuery) {
    return this.workflows.list(principal.organization_id, query);
  }

  @ApiOperation({ summary: 'Read a workflow with its current definition' })
  @Requires('workflow:read')
  @Returns(workflowView)
  @Get(':id')
  async get(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Res({ passthrough: true }) response: Response,
  ) {
    const workflow = await this.workflows.get(principal.organization_id, id);
    setEntityTag(response, workflow.revision);
    return workflow;
  }

  @ApiOperation({ summary: 'Change a workflow; another definition becomes a new version' })
  @ApiHeader({ name: 'If-Match', required: true, description: 'The ETag of the workflow as you read it' })
  @Requires('workflow:write')
  @Returns(workflowView)
  @Patch(':id')
  async update(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @IfMatch() revision: number,
    @Body({ schema: updateWorkflowBody }) body: UpdateWorkflowBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const workflow = await this.workflows.update(principal, actor, id, revision, body);
    setEntityTag(response, workflow.revision);
    return workflow;
  }

  @ApiOperation({ summary: 'Deactivate a workflow: nothing new starts, what runs goes on' })
  @ApiHeader({ name: 'If-Match', required: true, description: 'The ETag of the workflow as you read it' })
  @Requires('workflow:write')
  @Returns(workflowView)
  @Post(':id/deactivate')
  async deactivate(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Param('id', { schema: idParameter }) id: string,
    @IfMatch() revision: number,
    @Res({ passthrough: true }) response: Response,
  ) {
    const workflow = await this.workflows.update(principal, actor, id, revision, { active: false });
    setEntityTag(response, workflow.revision);
    return workflow;
  }

  @ApiOperation({ summary: 'List the versions of a workflow, newest first' })
  @Requires('workflow:read')
  @Returns(versionPage)
  @Get(':id/versions')
  versions(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Query({ schema: listQuery }) query: ListQuery,
  ) {
    return this.workflows.listVersions(principal.organization_id, id, query);
  }

  @ApiOperation({ summary: 'Read one version with its definition' })
  @Requires('workflow:read')
  @Returns(versionView)
  @Get(':id/versions/:number')
  version(
    @CurrentPrincipal() principal: Principal,
    @Param('id', { schema: idParameter }) id: string,
    @Param('number', { schema: versionNumber }) number: number,
  ) {
    return this.workflows.getVersion(principal.organization_id, id, number);
  }
}
