import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Request } from 'express';
import { Strategy } from 'passport-jwt';
import { readClaims, signAccessToken, strictOptions, type TokenSubject } from './access-token.js';
import { writeRefreshToken } from './refresh-token.js';
import { loadSigningKeys } from './signing-keys.js';

const SECONDS = 600;
const subject = {
  user_id: '0198c9a4-7a3e-7c11-8f56-3b1f0c2d4e5f',
  session_id: '0198c9a4-7a3e-7c11-8f56-3b1f0c2d4e60',
};

const ours = keyPair();
const theirs = keyPair();
const keys = await loadSigningKeys({ JWT_PRIVATE_KEY: ours.pem });
const now = Math.floor(Date.now() / 1_000);
const header = { alg: 'ES256', typ: 'at+jwt', kid: keys.kid };
const claims = {
  iss: 'holdpoint',
  aud: 'holdpoint-api',
  sub: subject.user_id,
  sid: subject.session_id,
  iat: now,
  exp: now + SECONDS,
};
const good = token();

describe('access token', () => {
  it('that we signed is accepted and names person and session', async () => {
    expect(await verify(await signAccessToken(keys, subject, SECONDS))).toEqual(subject);
  });

  it('that was signed with the previous key is accepted', async () => {
    const rotated = await loadSigningKeys({ JWT_PRIVATE_KEY: theirs.pem, JWT_PREVIOUS_PUBLIC_KEY: ours.publicPem });
    expect(await verify(await signAccessToken(keys, subject, SECONDS), rotated)).toEqual(subject);
  });

  it('made by hand as we make it is accepted, so that each forgery below differs in one thing', async () => {
    expect(await verify(good)).toEqual(subject);
    expect(await verify(`bearer ${good}`, keys, '')).toEqual(subject);
  });
});

describe('a hostile token is refused:', () => {
  const [head = '', body = '', signature = ''] = good.split('.');
  const publicJwk = theirs.publicKey.export({ format: 'jwk' });

  it.each([
    ['algorithm none, unsigned', `${encode({ ...header, alg: 'none' })}.${body}.`],
    ['algorithm None, unsigned', `${encode({ ...header, alg: 'None' })}.${body}.`],
    ['algorithm none, with a signature', `${encode({ ...header, alg: 'none' })}.${body}.${signature}`],
    ['HS256 with the public PEM as the secret', hmacToken(ours.publicPem)],
    ['HS256 with the public key in DER as the secret', hmacToken(ours.publicDer)],
    ['HS256 with an empty secret', hmacToken('')],
    ['ES384 announced', token({ header: { ...header, alg: 'ES384' } })],
    ['algorithm missing', token({ header: { typ: 'at+jwt', kid: keys.kid } })],
    ['signed by another key under our key id', token({ key: theirs.privateKey })],
    ['signature in DER instead of r and s', token({ encoding: 'der' })],
    ['signature of zeros (CVE-2022-21449)', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`],
    ['signature removed', `${head}.${body}.`],
    ['signature cut short', good.slice(0, -8)],
    ['payload changed after signing', `${head}.${encode({ ...claims, sub: subject.session_id })}.${signature}`],
    ['header changed after signing', `${encode({ ...header, typ: 'AT+JWT' })}.${body}.${signature}`],
    ['another issuer', token({ claims: { ...claims, iss: 'someone' } })],
    ['no issuer', token({ claims: without('iss') })],
    ['another audience', token({ claims: { ...claims, aud: 'another-api' } })],
    ['no audience', token({ claims: without('aud') })],
    ['our audience among others', token({ claims: { ...claims, aud: ['holdpoint-api', 'another-api'] } })],
    ['type JWT', token({ header: { ...header, typ: 'JWT' } })],
    ['no type', token({ header: { alg: 'ES256', kid: keys.kid } })],
    ['no expiry', token({ claims: without('exp') })],
    ['an expiry that is text', token({ claims: { ...claims, exp: String(claims.exp) } })],
    ['an expiry in a hundred years', token({ claims: { ...claims, exp: now + 100 * 365 * 86_400 } })],
    ['an expiry a second later than we give', token({ claims: { ...claims, exp: claims.exp + 1 } })],
    ['expired', token({ claims: { ...claims, iat: now - SECONDS - 60, exp: now - 60 } })],
    ['expired, though it claims to be fresh', token({ claims: { ...claims, exp: now - 60 } })],
    ['old, though its expiry is ahead', token({ claims: { ...claims, iat: now - 2 * SECONDS } })],
    ['issued in the future', token({ claims: { ...claims, iat: now + 3_600, exp: now + 3_600 + SECONDS } })],
    ['no time of issue', token({ claims: without('iat') })],
    ['not valid before tomorrow', token({ claims: { ...claims, nbf: now + 86_400 } })],
    ['no subject', token({ claims: without('sub') })],
    ['a subject that is no id', token({ claims: { ...claims, sub: "' or 1=1 --" } })],
    ['no session', token({ claims: without('sid') })],
    ['a session that is a list', token({ claims: { ...claims, sid: [subject.session_id] } })],
    ['an unknown key id', token({ header: { ...header, kid: 'unknown' } })],
    ['no key id', token({ header: { alg: 'ES256', typ: 'at+jwt' } })],
    ['a list as key id', token({ header: { ...header, kid: [keys.kid] } })],
    ['__proto__ as key id', token({ header: { ...header, kid: '__proto__' } })],
    ['a path as key id', token({ header: { ...header, kid: '../../../../dev/null' } })],
    ['jku, pointing at other keys', token({ header: { ...header, jku: 'http://127.0.0.1:9/keys' } })],
    ['jwk, bringing its own key', token({ header: { ...header, jwk: publicJwk }, key: theirs.privateKey })],
    ['jwk, though signed by ours', token({ header: { ...header, jwk: publicJwk } })],
    ['x5u, pointing at a certificate', token({ header: { ...header, x5u: 'http://127.0.0.1:9/cert' } })],
    ['x5c, bringing a certificate', token({ header: { ...header, x5c: ['MII='] } })],
    [
      'crit, asking for what we do not know (RFC 7515 §4.1.11)',
      token({ header: { ...header, crit: ['b64'], b64: false } }),
    ],
    [
      'a refresh token',
      writeRefreshToken('a secret of more than thirty-two characters', { session_id: subject.session_id, counter: 1 }),
    ],
    ['empty', ''],
    ['dots only', '..'],
    ['one part', head],
    ['four parts', `${good}.${signature}`],
    ['another token behind it', `${good} ${good}`],
    ['a header that is no JSON', `${Buffer.from('{').toString('base64url')}.${body}.${signature}`],
    ['a header that is null', `${encode(null)}.${body}.${signature}`],
    ['a payload that is a list', token({ claims: [claims] })],
    ['a payload that is null', token({ claims: null })],
    ['huge', token({ claims: { ...claims, filler: 'x'.repeat(200_000) } })],
  ])('%s', async (_, hostile) => {
    expect(hostile).not.toBe(good);
    expect(await verify(hostile)).toBeUndefined();
  });

  it.each(['Basic', 'Token', 'BearerX', 'Bearer,'])('a good one behind the scheme %s', async (scheme) => {
    expect(await verify(good, keys, `${scheme} `)).toBeUndefined();
  });

  it('a good one in the query, the body or a cookie', async () => {
    const elsewhere = { query: { access_token: good }, body: { access_token: good }, cookies: { jwt: good } };
    expect(await authenticate(elsewhere)).toBeUndefined();
  });
});

/** What passport-jwt makes of the token with our options, and then our reading of the claims. */
function verify(text: string, accepted = keys, scheme = 'Bearer '): Promise<TokenSubject | undefined> {
  return authenticate({ authorization: `${scheme}${text}` }, accepted);
}

function authenticate(request: Record<string, unknown>, accepted = keys): Promise<TokenSubject | undefined> {
  return new Promise((resolve, reject) => {
    const { authorization, ...rest } = request;
    const strategy = new Strategy(strictOptions(accepted, SECONDS), (payload: unknown, done) => {
      done(null, readClaims(payload, SECONDS) ?? false);
    });
    strategy.success = resolve as typeof strategy.success;
    strategy.fail = () => resolve(undefined);
    strategy.error = reject;
    strategy.authenticate({ headers: { authorization }, ...rest } as unknown as Request);
  });
}

interface Parts {
  header?: unknown;
  claims?: unknown;
  key?: KeyObject;
  encoding?: 'ieee-p1363' | 'der';
}

function token(parts: Parts = {}): string {
  const { header: head = header, key = ours.privateKey, encoding = 'ieee-p1363' } = parts;
  const signed = `${encode(head)}.${encode('claims' in parts ? parts.claims : claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: encoding }).toString('base64url')}`;
}

function hmacToken(secret: string | Buffer): string {
  const signed = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function without(claim: keyof typeof claims): object {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim));
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKey,
    publicKey,
    pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    publicDer: publicKey.export({ type: 'spki', format: 'der' }),
  };
}
