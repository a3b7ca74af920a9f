import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { DomainError } from '../errors/domain-error.js';
import type { Permission, Role } from './permissions.js';

/** Who is asking, as established by the authentication guard for this very request. */
export interface Principal {
  user_id: string;
  organization_id: string;
  /** Null with an API key. */
  session_id: string | null;
  /** Null with an access token. */
  api_key_id: string | null;
  email: string;
  name: string;
  role: Role;
  /** What the role holds now; with an API key, no more than its scopes. */
  permissions: ReadonlySet<Permission>;
  /** How the person proved who they are. */
  authenticated_by: 'access_token' | 'api_key';
}

/** Whom the audit record names: a person, or the product itself when nobody asked. */
export interface Actor {
  type: 'user' | 'system';
  id: string | null;
  request_id: string | null;
  address: string | null;
  user_agent: string | null;
}

export interface PrincipalRequest extends Request {
  user?: Principal;
  /** What was wrong with the token that was sent; the permission guard answers it where one is needed. */
  authenticationError?: DomainError;
}

/** The signed-in caller. Only on routes that are not `@Public()`. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { user } = context.switchToHttp().getRequest<PrincipalRequest>();
  if (!user) throw new Error('@CurrentPrincipal() was used on a public route');
  return user;
});

/** The caller as the audit record keeps it; the id is null on public routes. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext): Actor =>
  actorOf(context.switchToHttp().getRequest<PrincipalRequest>()),
);

function actorOf(request: PrincipalRequest): Actor {
  return {
    type: 'user',
    id: request.user?.user_id ?? null,
    request_id: typeof request.id === 'string' ? request.id : null,
    address: request.ip ?? null,
    user_agent: request.get('user-agent')?.slice(0, 255) ?? null,
  };
}

export const SYSTEM_ACTOR: Actor = { type: 'system', id: null, request_id: null, address: null, user_agent: null };
