import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { loadSigningKeys, type SigningKeys } from './signing-keys.js';

function pemOf(namedCurve: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return {
    private: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    public: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

function acceptedBy(keys: SigningKeys) {
  return Array.from(keys.publicKeys, ([kid, key]) => [kid, key.export({ type: 'spki', format: 'pem' })]);
}

const current = pemOf('P-256');
const previous = pemOf('P-256');

describe('signing keys', () => {
  it('name a key by its RFC 7638 thumbprint', async () => {
    const keys = await loadSigningKeys({ JWT_PRIVATE_KEY: current.private });
    const [jwk] = keys.jwks.keys;
    expect(jwk?.kid).toBe(keys.kid);
    expect(await calculateJwkThumbprint({ kty: jwk?.kty, crv: jwk?.crv, x: jwk?.x, y: jwk?.y })).toBe(keys.kid);
    expect(acceptedBy(keys)).toEqual([[keys.kid, current.public]]);
  });

  it('publish nothing of the private key', async () => {
    const keys = await loadSigningKeys({ JWT_PRIVATE_KEY: current.private });
    expect(Object.keys(keys.jwks.keys[0] ?? {}).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  it('accept the previous key beside the current one and sign with the current one', async () => {
    const keys = await loadSigningKeys({ JWT_PRIVATE_KEY: current.private, JWT_PREVIOUS_PUBLIC_KEY: previous.public });
    expect(acceptedBy(keys)).toEqual([
      [keys.kid, current.public],
      [keys.jwks.keys[1]?.kid, previous.public],
    ]);
  });

  it.each([
    ['JWT_PRIVATE_KEY', { JWT_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----\nnonsense' }],
    ['JWT_PRIVATE_KEY', { JWT_PRIVATE_KEY: pemOf('P-384').private }],
    ['JWT_PREVIOUS_PUBLIC_KEY', { JWT_PRIVATE_KEY: current.private, JWT_PREVIOUS_PUBLIC_KEY: 'nonsense' }],
    [
      'JWT_PREVIOUS_PUBLIC_KEY',
      { JWT_PRIVATE_KEY: current.private, JWT_PREVIOUS_PUBLIC_KEY: pemOf('secp256k1').public },
    ],
  ])('a bad key is refused by the name of its setting: %s', async (setting, settings) => {
    await expect(loadSigningKeys(settings)).rejects.toThrow(setting);
  });
});
