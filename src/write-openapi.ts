// npm run openapi: writes openapi.json. npm run openapi -- --check: fails when the committed one is not what the code says.
import { readFileSync, writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { completeSettings } from './config/complete-settings.js';
import { loadSettings } from './config/load-settings.js';
import { readEnvironment } from './config/read-environment.js';
import { describeApi } from './describe-api.js';

const FILE = 'openapi.json';

const settings = completeSettings(loadSettings(readEnvironment()), 'postgres://localhost/none');
const root = AppModule.forRoot(settings, {
  url: settings.DATABASE_URL,
  embedded: false,
  close: () => Promise.resolve(),
});
// `preview` builds the modules without making providers, so that no database is needed.
const app = await NestFactory.create(root, { preview: true, logger: false, abortOnError: false });
const text = `${JSON.stringify(describeApi(app), null, 2)}\n`;
if (process.argv.includes('--check')) {
  if (readFileSync(FILE, 'utf8') !== text) {
    console.error(`${FILE} is not what the code says. Run: npm run build && npm run openapi`);
    process.exitCode = 1;
  }
} else writeFileSync(FILE, text);
