import { Injectable } from '@nestjs/common';
import { Logger } from 'nestjs-pino';

/** What the framework says of its own start is of interest only to who debugs it. */
const FRAMEWORK = new Set(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication']);

/** The logger of the application: JSON lines, with the framework's own narration at level `debug`. */
@Injectable()
export class ProductLogger extends Logger {
  override log(message: unknown, ...optional: unknown[]): void {
    const context = optional.at(-1);
    if (typeof context === 'string' && FRAMEWORK.has(context)) this.debug(message, ...optional);
    else super.log(message, ...optional);
  }
}
