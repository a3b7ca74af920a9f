import { loadSettings, SettingsError } from './config/load-settings.js';
import { readEnvironment } from './config/read-environment.js';

try {
  const given = loadSettings(readEnvironment());
  // Only one of them is loaded: a side-car has no use for the database's code, and less to be attacked.
  const { start } = given.HOLDPOINT_ROLES.includes('sandbox')
    ? await import('./start-side-car.js')
    : await import('./start-server.js');
  await start(given);
} catch (error) {
  process.stderr.write(`${error instanceof SettingsError ? error.message : (error as Error).stack}\n`);
  process.exit(1);
}
