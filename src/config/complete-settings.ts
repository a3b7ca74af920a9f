import { developmentSecrets } from './development-secrets.js';
import type { GivenSettings, Settings } from './settings.js';

/** Fills in what may be left out: the database that was started for us, development secrets, defaults by environment. */
export function completeSettings(given: GivenSettings, databaseUrl: string): Settings {
  const production = given.NODE_ENV === 'production';
  const secrets =
    given.SECRET_KEY && given.JWT_PRIVATE_KEY
      ? { SECRET_KEY: given.SECRET_KEY, JWT_PRIVATE_KEY: given.JWT_PRIVATE_KEY }
      : developmentSecrets(given.DATA_DIR);
  return Object.freeze({
    ...given,
    HOST: given.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    PORT: given.PORT ?? 3000,
    DATABASE_URL: databaseUrl,
    SECRET_KEY: given.SECRET_KEY ?? secrets.SECRET_KEY,
    JWT_PRIVATE_KEY: given.JWT_PRIVATE_KEY ?? secrets.JWT_PRIVATE_KEY,
    PASSWORD_GRANT: given.PASSWORD_GRANT ?? !production,
    DEMO_DATA: given.DEMO_DATA ?? given.NODE_ENV === 'development',
  });
}
