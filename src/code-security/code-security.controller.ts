import { Body, Controller, Get, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { idParameter } from '../platform/http/id-parameter.js';
import { IfMatch, setEntityTag } from '../platform/http/if-match.js';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Public, Requires, SignedIn } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { RateLimit } from '../platform/throttling/rate-limit.guard.js';
import { CodeHistoryService } from './code-history.service.js';
import { CodePolicyService } from './code-policy.service.js';
import { CodeRunsService } from './code-runs.service.js';
import {
  changeCodePolicyBody,
  type ChangeCodePolicyBody,
  codePolicyView,
  codeRunPage,
  codeRunView,
  executeBody,
  type ExecuteBody,
  executionView,
  limitsView,
  listCodeRunsQuery,
  type ListCodeRunsQuery,
  sandboxHealthView,
} from './code-security.dto.js';
import { CodeSecurityService } from './code-security.service.js';

@ApiTags('security')
@Controller('api/security')
export class CodeSecurityController {
  constructor(
    private readonly codeSecurity: CodeSecurityService,
    private readonly codeRuns: CodeRunsService,
    private readonly history: CodeHistoryService,
    private readonly policies: CodePolicyService,
  ) {}

  @ApiOperation({ summary: 'Run code in a sandbox and wait for the result' })
  @Requires('code:execute')
  @RateLimit('code')
  @Returns(executionView)
  @Post('execute')
  execute(
    @CurrentPrincipal() principal: Principal,
    @CurrentActor() actor: Actor,
    @Body({ schema: executeBody }) body: ExecuteBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    return this.codeRuns.execute(principal, actor, body, abortedOnHangUp(response));
  }

  @ApiOperation({ summary: 'List the code that you ran through the API, newest first' })
  @Requires('code:execute')
  @Returns(codeRunPage)
  @Get('executions')
  list(
    @CurrentPrincipal() { organization_id, user_id }: Principal,
    @Query({ schema: listCodeRunsQuery }) query: ListCodeRunsQuery,
  ) {
    return this.history.list({ ...query, organization_id, user_id });
  }

  @ApiOperation({ summary: 'Read what became of a run of yours' })
  @Requires('code:execute')
  @Returns(codeRunView)
  @Get('executions/:id')
  get(@CurrentPrincipal() principal: Principal, @Param('id', { schema: idParameter }) id: string) {
    return this.history.get(principal, id);
  }

  @ApiOperation({ summary: 'Read what your organization allows its runs of code' })
  @Requires('organization:read')
  @Returns(codePolicyView)
  @Get('policy')
  async policy(@CurrentPrincipal() { organization_id }: Principal, @Res({ passthrough: true }) response: Response) {
    const policy = await this.policies.find(organization_id);
    setEntityTag(response, policy.version);
    return policy;
  }

  @ApiOperation({ summary: 'Say from where code may be sent, and how much time and memory a run may have' })
  @ApiHeader({ name: 'If-Match', required: true, description: 'The ETag of the policy as you read it' })
  @Requires('organization:manage')
  @Returns(codePolicyView)
  @Put('policy')
  async changePolicy(
    @CurrentPrincipal() { organization_id }: Principal,
    @CurrentActor() actor: Actor,
    @IfMatch() version: number,
    @Body({ schema: changeCodePolicyBody }) body: ChangeCodePolicyBody,
    @Res({ passthrough: true }) response: Response,
  ) {
    const policy = await this.policies.change(organization_id, actor, version, body);
    setEntityTag(response, policy.version);
    return policy;
  }

  @ApiOperation({ summary: 'Say whether code can run here, and which self-test failed if not' })
  @Public()
  @Returns(sandboxHealthView)
  @Get('health')
  health() {
    return this.codeSecurity.health();
  }

  @ApiOperation({ summary: 'Read the limits of a run of your organization: least, most and default' })
  @SignedIn()
  @Returns(limitsView)
  @Get('limits')
  limits(@CurrentPrincipal() { organization_id }: Principal) {
    return this.codeRuns.limits(organization_id);
  }
}

/** Aborted when the connection closes, so that nobody's code runs on for nobody. */
function abortedOnHangUp(response: Response): AbortSignal {
  const hangUp = new AbortController();
  // The client may have gone while the guards waited for the database; 'close' is not told a second time.
  if (response.closed) hangUp.abort();
  else response.once('close', () => hangUp.abort());
  return hangUp.signal;
}
