import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.js';
import { completeSettings } from './config/complete-settings.js';
import { SettingsError } from './config/load-settings.js';
import type { GivenSettings, Settings } from './config/settings.js';
import { dataSourceOptions } from './data-source.js';
import { listen } from './listen.js';
import { migrate, pendingMigrations } from './platform/database/migrate.js';
import { type OpenDatabase, openDatabase } from './platform/database/open-database.js';
import { ProductLogger } from './platform/logging/product-logger.js';
import { setUpHttp } from './set-up-http.js';
import { welcome } from './welcome.js';

const say = (message: string) => process.stdout.write(`${message}\n`);

/** HOLDPOINT_ROLES with api, worker or both. */
export async function start(given: GivenSettings): Promise<void> {
  const database = await openDatabase(given, (message) => say(message));
  try {
    await serve(given, database);
  } catch (error) {
    await database.close(); // a start that fails leaves no server running
    throw error;
  }
}

async function serve(given: GivenSettings, database: OpenDatabase): Promise<void> {
  const settings = completeSettings(given, database.url);
  await prepareSchema(settings);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.forRoot(settings, database), {
    bufferLogs: true,
    bodyParser: false,
    return503OnClosing: true,
    routeConflictPolicy: { duplicate: 'error', shadow: 'error' },
  });
  app.useLogger(app.get(ProductLogger));
  setUpHttp(app);
  const url = await listen(app, given, settings);
  say(welcome(url, settings, database.embedded));
}

/** Outside production a start brings the schema up to date; production wants it done before, and says how. */
async function prepareSchema(settings: Settings): Promise<void> {
  const options = dataSourceOptions(settings.DATABASE_URL);
  if (settings.NODE_ENV !== 'production') {
    await migrate(settings.DATABASE_URL, options);
    return;
  }
  const pending = await pendingMigrations(options);
  if (pending.length > 0) throw new SettingsError([`migrations are pending (${pending.join(', ')}): npm run db -- up`]);
}
