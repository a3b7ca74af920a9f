import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../../config/settings.js';

interface Envelope {
  claims: unknown;
  /** Seconds since 1970. */
  expires: number;
}

/**
 * Tokens that expire, for the address of a page that a browser opens without a bearer header. Each purpose has a key of its
 * own, derived from SECRET_KEY (HKDF, RFC 5869), so that a token is good for nothing else. Claims can be read by everybody.
 */
@Injectable()
export class SignedToken {
  constructor(private readonly settings: Settings) {}

  issue(purpose: string, claims: unknown, expiresAt: Date): string {
    const envelope: Envelope = { claims, expires: Math.floor(expiresAt.getTime() / 1000) };
    const payload = Buffer.from(JSON.stringify(envelope)).toString('base64url');
    return `${payload}.${this.sign(purpose, payload)}`;
  }

  /** What was issued for this purpose; undefined when it was not, was changed since, or has expired. */
  read(purpose: string, token: string): unknown {
    const opened = this.open(purpose, token);
    return opened && Date.now() < opened.expiresAt.getTime() ? opened.claims : undefined;
  }

  /** The same for who judges the expiry by another clock, or says that it has expired. */
  open(purpose: string, token: string): { claims: unknown; expiresAt: Date } | undefined {
    const [payload = '', signature = '', ...rest] = token.split('.');
    // As text: the last character has bits that decoding drops.
    const [given, expected] = [Buffer.from(signature), Buffer.from(this.sign(purpose, payload))];
    if (rest.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const { claims, expires } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Envelope;
    return { claims, expiresAt: new Date(expires * 1000) };
  }

  private sign(purpose: string, payload: string): string {
    const key = hkdfSync('sha256', this.settings.SECRET_KEY, '', `holdpoint signed token: ${purpose}`, 32);
    return createHmac('sha256', Buffer.from(key)).update(payload).digest('base64url');
  }
}
