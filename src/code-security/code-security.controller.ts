import { Body, Controller, Get, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Public, Requires, SignedIn } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { RateLimit } from '../platform/throttling/rate-limit.guard.js';
import { CodeRunsService } from './code-runs.service.js';
import { executeBody, type ExecuteBody, executionView, limitsView, sandboxHealthView } from './code-security.dto.js';
import { CodeSecurityService } from './code-security.service.js';

@ApiTags('security')
@Controller('api/security')
export class CodeSecurityController {
  constructor(
    private readonly codeSecurity: CodeSecurityService,
    private readonly codeRuns: CodeRunsService,
  ) {}

  @ApiOperation({ summary: 'Run Python in a sandbox and wait for the result' })
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

  @ApiOperation({ summary: 'Say whether code can run here, and which self-test failed if not' })
  @Public()
  @Returns(sandboxHealthView)
  @Get('health')
  health() {
    return this.codeSecurity.health();
  }

  @ApiOperation({ summary: 'Read the limits of a run: least, most and default' })
  @SignedIn()
  @Returns(limitsView)
  @Get('limits')
  limits() {
    return this.codeSecurity.limits();
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
