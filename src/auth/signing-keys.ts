import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';

/** The one algorithm: `jsonwebtoken`, which passport-jwt verifies with, knows no EdDSA. */
export const ALGORITHM = 'ES256';

/** The key that signs now, and the public keys whose tokens are accepted: that one and the one before it. */
export class SigningKeys {
  constructor(
    readonly kid: string,
    readonly privateKey: KeyObject,
    /** By key id. A Map, so that `__proto__` is a key like any other that is not there. */
    readonly publicKeys: ReadonlyMap<string, KeyObject>,
    /** The same public keys as a JWK Set (RFC 7517 §5). */
    readonly jwks: { keys: JWK[] },
  ) {}
}

interface KeySettings {
  JWT_PRIVATE_KEY: string;
  JWT_PREVIOUS_PUBLIC_KEY?: string | undefined;
}

/**
 * Reads the keys of the settings; a key's id is its thumbprint (RFC 7638), so that every instance names it alike.
 * @throws Error naming the setting that holds no P-256 key.
 */
export async function loadSigningKeys(settings: KeySettings): Promise<SigningKeys> {
  const privateKey = p256('JWT_PRIVATE_KEY', () => createPrivateKey(settings.JWT_PRIVATE_KEY));
  const current = await published(createPublicKey(privateKey));
  const accepted = [current];
  const previous = settings.JWT_PREVIOUS_PUBLIC_KEY;
  if (previous) accepted.push(await published(p256('JWT_PREVIOUS_PUBLIC_KEY', () => createPublicKey(previous))));
  const publicKeys = new Map(accepted.map(({ kid, key }) => [kid, key]));
  return new SigningKeys(current.kid, privateKey, publicKeys, { keys: accepted.map(({ jwk }) => jwk) });
}

function p256(setting: string, read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new Error(`${setting} cannot be read as a key in PEM format`, { cause });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Error(`${setting} must be an elliptic curve key on P-256`);
  }
  return key;
}

async function published(key: KeyObject): Promise<{ kid: string; key: KeyObject; jwk: JWK }> {
  const bare = await exportJWK(key);
  const kid = await calculateJwkThumbprint(bare);
  return { kid, key, jwk: { ...bare, kid, alg: ALGORITHM, use: 'sig' } };
}
