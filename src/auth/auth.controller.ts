import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Actor, CurrentActor, CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { InPerson, Public, SignedIn } from '../platform/http/requires.decorator.js';
import { Returns, ReturnsNothing } from '../platform/http/returns.decorator.js';
import { RateLimit } from '../platform/throttling/rate-limit.guard.js';
import {
  jwksView,
  loginBody,
  type LoginBody,
  meView,
  passwordGrantBody,
  type PasswordGrantBody,
  refreshBody,
  type RefreshBody,
  registerBody,
  type RegisterBody,
  registeredView,
  tokensView,
} from './auth.dto.js';
import { AuthService } from './auth.service.js';
import { SessionsService } from './sessions.service.js';
import { SigningKeys } from './signing-keys.js';

@ApiTags('auth')
@Controller('api/auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly sessions: SessionsService,
    private readonly keys: SigningKeys,
  ) {}

  @ApiOperation({ summary: 'Create an account and its organization, and sign in' })
  @Public()
  @RateLimit('auth')
  @Returns(registeredView, { status: 201 })
  @Post('register')
  register(@CurrentActor() actor: Actor, @Body({ schema: registerBody }) body: RegisterBody) {
    return this.auth.register(actor, body);
  }

  @ApiOperation({ summary: 'Sign in with e-mail and password' })
  @Public()
  @RateLimit('auth')
  @Returns(tokensView)
  @Post('login')
  logIn(@CurrentActor() actor: Actor, @Body({ schema: loginBody }) body: LoginBody) {
    return this.auth.logIn(actor, body);
  }

  @ApiOperation({
    summary: 'Sign in with the OAuth 2.0 password form, for Swagger UI; 404 unless PASSWORD_GRANT is on',
  })
  @ApiConsumes('application/x-www-form-urlencoded')
  @Public()
  @RateLimit('auth')
  @Returns(tokensView)
  @Post('token')
  logInByForm(@CurrentActor() actor: Actor, @Body({ schema: passwordGrantBody }) body: PasswordGrantBody) {
    return this.auth.logInByForm(actor, body);
  }

  @ApiOperation({ summary: 'Exchange a refresh token for new tokens' })
  @Public()
  @Returns(tokensView)
  @Post('refresh')
  refresh(@CurrentActor() actor: Actor, @Body({ schema: refreshBody }) body: RefreshBody) {
    return this.sessions.refresh(actor, body.refresh_token);
  }

  @ApiOperation({ summary: 'End this session; its tokens stop working at once' })
  @InPerson()
  @ReturnsNothing()
  @Post('logout')
  logOut(@CurrentPrincipal() principal: Principal, @CurrentActor() actor: Actor) {
    return this.sessions.logOut(actor, principal);
  }

  @ApiOperation({ summary: 'Say who is signed in, where, and what they may do' })
  @SignedIn()
  @Returns(meView)
  @Get('me')
  me(@CurrentPrincipal() principal: Principal) {
    return this.auth.describe(principal);
  }

  @ApiOperation({ summary: 'The public keys that access tokens are signed with (RFC 7517)' })
  @Public()
  @Returns(jwksView)
  @Get('jwks')
  jwks() {
    return this.keys.jwks;
  }
}
