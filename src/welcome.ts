import type { Settings } from './config/settings.js';
import { DEMO_PASSWORD, DEMO_PEOPLE } from './demo/demo-people.js';

/** What the start says when the server is ready: where it is, how to sign in, and a call that works when pasted. */
export function welcome(url: string, settings: Settings, embedded: boolean): string {
  const lines = [
    '',
    `  Holdpoint is ready at ${url}`,
    `  API reference   ${url}/docs`,
    `  Database        ${embedded ? `embedded PostgreSQL in ${settings.DATA_DIR}` : 'the server of DATABASE_URL'}`,
  ];
  if (settings.DEMO_DATA) lines.push(...demo(url));
  return [...lines, ''].join('\n');
}

function demo(url: string): string[] {
  return [
    `  Demo logins     ${DEMO_PEOPLE.map((person) => person.email).join(', ')}`,
    `  Password        ${DEMO_PASSWORD}`,
    '',
    '  Try it:',
    '',
    `  curl -s ${url}/api/auth/login -H 'content-type: application/json' \\`,
    `    -d '{"email":"${DEMO_PEOPLE[0].email}","password":"${DEMO_PASSWORD}"}'`,
    '',
    '  or: npm run demo',
  ];
}
