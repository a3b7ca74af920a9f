import { z } from 'zod';
import { outboundHost, outboundNetwork } from './outbound-targets.js';

const boolean = z
  .enum(['true', 'false', '1', '0'], { error: 'must be true or false' })
  .transform((text) => text === 'true' || text === '1');

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

const MAIL_SENDER = /^([^<>@\r\n"]+ <[^\s<>@,;"]+@[^\s<>@,;"]+>|[^\s<>@,;"]+@[^\s<>@,;"]+)$/;

const roles = ['api', 'worker', 'sandbox'] as const;

/**
 * Every environment variable the product reads; `.env.example` explains each, and a test compares the two.
 * Durations are seconds and sizes are MiB unless the name says otherwise.
 */
export const settingsSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  HOLDPOINT_ROLES: list
    .pipe(z.array(z.enum(roles)).min(1, 'must name at least one of api, worker, sandbox'))
    .default(['api', 'worker']),
  HOST: z.string().optional(),
  PORT: integer(0, 65_535).optional(),
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  DATABASE_POOL_SIZE: integer(4, 200).default(16),
  DATA_DIR: z.string().min(1).default('.holdpoint'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  CORS_ORIGINS: list.default([]),
  TRUST_PROXY: list.default([]),
  BODY_LIMIT_MB: integer(1, 64).default(2),
  RATE_LIMIT_PER_MINUTE: integer(1, 1_000_000).default(600),
  RATE_LIMIT_PER_HOUR: integer(1, 10_000_000).default(20_000),
  AUTH_RATE_LIMIT_PER_MINUTE: integer(1, 1_000_000).default(10),
  CODE_RATE_LIMIT_PER_MINUTE: integer(1, 1_000_000).default(60),
  CODE_RATE_LIMIT_PER_HOUR: integer(1, 10_000_000).default(1_000),
  SECRET_KEY: z.string().min(32, 'must have at least 32 characters').optional(),
  JWT_PRIVATE_KEY: z.string().startsWith('-----BEGIN PRIVATE KEY-----', 'must be a PKCS #8 PEM').optional(),
  JWT_PREVIOUS_PUBLIC_KEY: z.string().startsWith('-----BEGIN PUBLIC KEY-----', 'must be an SPKI PEM').optional(),
  ACCESS_TOKEN_SECONDS: integer(30, 3_600).default(600),
  REFRESH_TOKEN_SECONDS: integer(300, 7_776_000).default(1_209_600),
  PASSWORD_GRANT: boolean.optional(),
  METRICS_TOKEN: z.string().min(24, 'must have at least 24 characters').optional(),
  REGISTRATION: z.enum(['open', 'closed']).default('open'),
  DEMO_DATA: boolean.optional(),
  WORKER_CONCURRENCY: integer(1, 1_000).default(50),
  ORGANIZATION_CONCURRENCY: integer(0, 100_000).default(0),
  EXECUTION_RETENTION_DAYS: integer(0, 36_500).default(0),
  CODE_RUN_RETENTION_DAYS: integer(0, 36_500).default(90),
  WORKER_LEASE_SECONDS: integer(2, 300).default(15),
  SANDBOX_DRIVER: z.enum(['bubblewrap', 'gvisor', 'remote', 'dev-unsafe', 'none']).default('bubblewrap'),
  SANDBOX_SOCKET: z
    .string()
    .startsWith('/', 'must be an absolute path')
    .max(107, 'must have at most 107 bytes, as paths of sockets do')
    .optional(),
  SANDBOX_PYTHON: z.string().startsWith('/', 'must be an absolute path').default('/usr/bin/python3'),
  SANDBOX_NODE: z.string().startsWith('/', 'must be an absolute path').optional(),
  SANDBOX_BWRAP: z.string().startsWith('/', 'must be an absolute path').default('/usr/bin/bwrap'),
  SANDBOX_MODE: z.enum(['single-use', 'zygote']).default('single-use'),
  SANDBOX_WARM: integer(0, 64).default(2),
  SANDBOX_WARM_NUMPY: integer(0, 64).default(2),
  SANDBOX_CGROUPS: z.enum(['auto', 'off']).default('auto'),
  SANDBOX_RUNSC: z.string().startsWith('/', 'must be an absolute path').default('/usr/bin/runsc'),
  SANDBOX_UID: integer(1, 4_294_967_294).optional(),
  SANDBOX_GID: integer(1, 4_294_967_294).optional(),
  SANDBOX_CONCURRENCY: integer(1, 64).default(4),
  SANDBOX_USER_CONCURRENCY: integer(0, 64).default(0),
  SANDBOX_MEMORY_MB: integer(64, 1_048_576).default(4_096),
  OUTBOUND_ALLOW_HOSTS: list.pipe(z.array(outboundHost)).default([]),
  OUTBOUND_ALLOW_CIDRS: list.pipe(z.array(outboundNetwork)).default([]),
  SMTP_URL: z.url({ protocol: /^smtps?$/ }).optional(),
  MAIL_FROM: z
    .string()
    .regex(MAIL_SENDER, 'must be an address, or a name and <address>')
    .default('Holdpoint <holdpoint@localhost>'),
  JOB_RETENTION_DAYS: integer(1, 365).default(2),
});

/** Each of these is also read from the file named by `<NAME>_FILE`, as container secrets are mounted. */
export const secretNames = [
  'DATABASE_URL',
  'SECRET_KEY',
  'JWT_PRIVATE_KEY',
  'JWT_PREVIOUS_PUBLIC_KEY',
  'SMTP_URL',
  'METRICS_TOKEN',
] as const satisfies (keyof GivenSettings)[];

export type GivenSettings = z.output<typeof settingsSchema>;

/** Settings that may be left out outside production and are filled in before the application is built. */
type Completed = 'HOST' | 'PORT' | 'DATABASE_URL' | 'SECRET_KEY' | 'JWT_PRIVATE_KEY' | 'PASSWORD_GRANT' | 'DEMO_DATA';

/** What the running product is told: parsed, completed and frozen. Nothing else reads the environment. */
export type Settings = Readonly<Omit<GivenSettings, Completed> & Required<Pick<GivenSettings, Completed>>>;

/** The injection token of the same name: `constructor(private readonly settings: Settings)`. */
export const Settings = class {} as unknown as new () => Settings;
