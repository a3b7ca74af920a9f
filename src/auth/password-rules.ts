import { DomainError } from '../platform/errors/domain-error.js';
import { effectiveLength } from './effective-length.js';

/** NIST SP 800-63B-4 §3.1.1.2, for a password that is the only factor. */
const MIN_PASSWORD = 15;
const MAX_PASSWORD = 1_024;

const MIN_EFFECTIVE = 8;

export interface Person {
  email: string;
  name: string;
}

/** One form for what different keyboards send for the same characters (Unicode NFKC). Nothing is cut off. */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

/**
 * Refuses a new password of fewer than 15 or more than 1,024 characters, or one that shows fewer than 8 choices once
 * common words, the person's and the product's own words, repeats and keyboard patterns count as one each. There are
 * no rules about kinds of characters.
 * @throws DomainError PASSWORD_REFUSED
 */
export function checkNewPassword(password: string, person: Person): void {
  const problem = problemOf(normalizePassword(password), person);
  if (!problem) return;
  throw new DomainError('invalid', 'PASSWORD_REFUSED', problem.message, {
    errors: [{ pointer: '/password', ...problem }],
  });
}

function problemOf(password: string, person: Person): { code: string; message: string } | undefined {
  const length = Array.from(password).length;
  if (length < MIN_PASSWORD) {
    return {
      code: 'PASSWORD_TOO_SHORT',
      message: `Use at least ${MIN_PASSWORD} characters, for example several words.`,
    };
  }
  if (length > MAX_PASSWORD) return { code: 'PASSWORD_TOO_LONG', message: `Use at most ${MAX_PASSWORD} characters.` };
  if (effectiveLength(password, wordsOf(person)) < MIN_EFFECTIVE) {
    const message =
      'This is easy to guess: common or personal words, repeats and rows of keys hardly count. Add other words.';
    return { code: 'PASSWORD_PREDICTABLE', message };
  }
  return undefined;
}

/** Whole and in parts: `ada.lovelace@example.org` gives `ada.lovelace`, `ada`, `lovelace`, `example`, `org`. */
function wordsOf(person: Person): string[] {
  const [local = '', domain = ''] = person.email.split('@');
  const parts = [local, domain, person.name].flatMap((text) => text.split(/[^\p{L}\p{N}]+/u));
  return ['holdpoint', local, domain, person.name, ...parts].map(normalizePassword);
}
