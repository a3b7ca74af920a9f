import type { NestExpressApplication } from '@nestjs/platform-express';
import { SettingsError } from './config/load-settings.js';
import type { GivenSettings, Settings } from './config/settings.js';

/** How many ports after the usual one are tried. */
const TRIES = 20;

/**
 * Starts to serve and returns the URL. A port that was asked for is taken or it is an error; without one, outside
 * production, the next free port will do.
 */
export async function listen(app: NestExpressApplication, given: GivenSettings, settings: Settings): Promise<string> {
  const mayMove = given.PORT === undefined && settings.NODE_ENV !== 'production';
  for (let port = settings.PORT; ; port++) {
    try {
      await app.listen(port, settings.HOST);
      return settings.PUBLIC_URL ?? (await app.getUrl()).replace('[::1]', 'localhost').replace('0.0.0.0', '127.0.0.1');
    } catch (error) {
      const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (taken && mayMove && port < settings.PORT + TRIES) continue;
      if (taken) throw new SettingsError([`PORT: port ${port} is taken; free it or name another one`]);
      throw error;
    }
  }
}
