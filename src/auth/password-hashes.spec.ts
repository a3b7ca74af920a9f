import { parseOptions } from '@node-rs/argon2';
import { hashOfNobody, PasswordHashes } from './password-hashes.js';

const hashes = new PasswordHashes();

describe('password hashes', () => {
  it('are argon2id with 19 MiB, two passes and one lane', async () => {
    const hash = await hashes.hash('correct horse battery staple');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('differ for the same password', async () => {
    const password = 'correct horse battery staple';
    expect(await hashes.hash(password)).not.toBe(await hashes.hash(password));
  });

  it('match their password in any Unicode composition and no other', async () => {
    const hash = await hashes.hash('  caf\u00E9 am Markt ');
    expect(await hashes.verify(hash, '  cafe\u0301 am Markt ')).toBe(true);
    expect(await hashes.verify(hash, 'caf\u00E9 am Markt')).toBe(false);
  });

  it('without an account the same work is done and the answer is no', async () => {
    expect(parseOptions(hashOfNobody())).toEqual(parseOptions(await hashes.hash('any password will do')));
    expect(await hashes.verify(undefined, 'any password will do')).toBe(false);
  });

  it('of more people than can wait are refused, not piled up', async () => {
    const attempts = Array.from({ length: 20 }, () => hashes.verify(undefined, 'any password will do'));
    const refused = (await Promise.allSettled(attempts)).filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(2);
  });
});
