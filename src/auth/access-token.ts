import type { KeyObject } from 'node:crypto';
import { decodeProtectedHeader, SignJWT } from 'jose';
import type { StrategyOptionsWithoutRequest } from 'passport-jwt';
import { z } from 'zod';
import { ALGORITHM, type SigningKeys } from './signing-keys.js';

/** Keeps other kinds of token that the same key might one day sign from passing as access tokens (RFC 9068 §2.1). */
const TYPE = 'at+jwt';
const ISSUER = 'holdpoint';
const AUDIENCE = 'holdpoint-api';

/** Ours have about 500 characters. What is longer is not worth a look. */
const MAX_LENGTH = 2_048;

/** How far the clocks of two instances may differ. */
const CLOCK_SKEW_SECONDS = 5;

/** Nothing but these members: `jsonwebtoken` would ignore `crit`, `jku` and other instructions to the verifier. */
const headerSchema = z.strictObject({ alg: z.literal(ALGORITHM), typ: z.literal(TYPE), kid: z.string() });

const claimsSchema = z.object({
  iss: z.literal(ISSUER),
  aud: z.literal(AUDIENCE),
  sub: z.uuid(),
  sid: z.uuid(),
  iat: z.int(),
  exp: z.int(),
});

export interface TokenSubject {
  user_id: string;
  session_id: string;
}

/** Signs an access token that is valid for `seconds` from now. */
export function signAccessToken(keys: SigningKeys, subject: TokenSubject, seconds: number): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({ sid: subject.session_id })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: keys.kid })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(subject.user_id)
    .setIssuedAt(now)
    .setExpirationTime(now + seconds)
    .sign(keys.privateKey);
}

/**
 * How passport-jwt must verify; left at its defaults it accepts tokens of any issuer, audience and type, without an
 * expiry and under any key id. What it then hands on must still pass `readClaims`.
 */
export function strictOptions(keys: SigningKeys, seconds: number): StrategyOptionsWithoutRequest {
  return {
    jwtFromRequest: (request) => bearerToken(request.headers.authorization),
    secretOrKeyProvider: (_request, token: string, done) => {
      const key = findKey(keys, token);
      // jsonwebtoken takes it as it is, which only these types do not say; parsing a PEM each time costs 40 µs.
      if (key) done(null, key as unknown as Buffer);
      else done(new Error('the header of the token is not one of ours'));
    },
    algorithms: [ALGORITHM],
    issuer: ISSUER,
    audience: AUDIENCE,
    ignoreExpiration: false,
    jsonWebTokenOptions: { maxAge: seconds, clockTolerance: CLOCK_SKEW_SECONDS },
  };
}

/** Undefined unless every claim we put in is there and the token lives no longer than `seconds`. */
export function readClaims(payload: unknown, seconds: number): TokenSubject | undefined {
  const { data: claims } = claimsSchema.safeParse(payload);
  if (!claims || claims.exp - claims.iat > seconds) return undefined;
  if (claims.iat > Date.now() / 1_000 + CLOCK_SKEW_SECONDS) return undefined;
  return { user_id: claims.sub, session_id: claims.sid };
}

/** The credentials of RFC 6750 §2.1, and nothing beside them; tokens in queries, bodies and cookies are not read. */
export function bearerToken(authorization: string | undefined): string | null {
  const token = /^Bearer ([\w.-]+)$/i.exec(authorization ?? '')?.[1];
  return token !== undefined && token.length <= MAX_LENGTH ? token : null;
}

function findKey(keys: SigningKeys, token: string): KeyObject | undefined {
  try {
    const { kid } = headerSchema.parse(decodeProtectedHeader(token));
    return keys.publicKeys.get(kid);
  } catch {
    return undefined; // not a header at all, or not ours
  }
}
