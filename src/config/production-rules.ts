import type { GivenSettings } from './settings.js';

/**
 * What development may leave out or relax and production may not; each line says what to set. Nothing is said of
 * variables in `wrong`: they have a problem already.
 */
export function productionProblems(settings: GivenSettings, wrong: ReadonlySet<string> = new Set()): string[] {
  const rules: [broken: boolean, what: string][] = [
    [!settings.DATABASE_URL, 'DATABASE_URL: production does not run on the embedded PostgreSQL; name a server'],
    [!settings.SECRET_KEY, 'SECRET_KEY: set it, for example to the output of `openssl rand -base64 48`'],
    [
      !settings.JWT_PRIVATE_KEY,
      'JWT_PRIVATE_KEY: set it to a P-256 key: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`',
    ],
    [isRepetitive(settings.SECRET_KEY), 'SECRET_KEY: is too regular to be a secret; use random bytes'],
    [settings.CORS_ORIGINS.includes('*'), 'CORS_ORIGINS: name the origins; * would let any site call the API'],
    [settings.DEMO_DATA === true, 'DEMO_DATA: demo accounts have published passwords and are refused in production'],
    [
      settings.SMTP_URL !== undefined && /@localhost>?$/.test(settings.MAIL_FROM),
      'MAIL_FROM: name the sender that your mail server lets through, such as Holdpoint <holdpoint@your.domain>',
    ],
    [settings.SANDBOX_DRIVER === 'none', 'SANDBOX_DRIVER: production needs an isolating driver such as bubblewrap'],
    [
      settings.SANDBOX_DRIVER === 'dev-unsafe',
      'SANDBOX_DRIVER: dev-unsafe isolates nothing; production needs bubblewrap or gvisor',
    ],
  ];
  const isSideCar = settings.HOLDPOINT_ROLES.includes('sandbox');
  return rules
    .filter(([broken, what]) => {
      const name = what.split(':')[0] ?? '';
      return broken && !wrong.has(name) && (!isSideCar || name.startsWith('SANDBOX_'));
    })
    .map(([, what]) => what);
}

function isRepetitive(secret: string | undefined): boolean {
  return secret !== undefined && new Set(secret).size < 10;
}
