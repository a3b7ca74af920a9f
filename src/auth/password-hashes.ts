import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { Injectable } from '@nestjs/common';
import { BoundedQueue } from './bounded-queue.js';
import { normalizePassword } from './password-rules.js';

/** 19 MiB, two passes, one lane: what OWASP's Password Storage Cheat Sheet asks for. argon2id is the package's default. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Forty hashes at once made an unrelated file read wait for 1.26 s (2 cores): they fill the thread pool of Node. */
const AT_ONCE = 2;
const WAITING = 16;

@Injectable()
export class PasswordHashes {
  private readonly queue = new BoundedQueue(AT_ONCE, WAITING);
  private readonly nobodys = hashOfNobody();

  /** argon2id in PHC string format, with a random salt. */
  hash(password: string): Promise<string> {
    return this.queue.run(() => hash(normalizePassword(password), COST));
  }

  /** Without a hash the answer is no, after the same work: how long it takes does not tell whether there is an account. */
  async verify(stored: string | undefined, password: string): Promise<boolean> {
    const matches = await this.queue.run(() => verify(stored ?? this.nobodys, normalizePassword(password)));
    return matches && stored !== undefined;
  }
}

/** A hash in the right form and of the right cost that no known password has. */
export function hashOfNobody(): string {
  const [salt, digest] = [16, 32].map((size) => randomBytes(size).toString('base64').replaceAll('=', ''));
  return `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$${salt}$${digest}`;
}
