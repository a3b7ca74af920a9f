import { Global, Module } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { Settings } from '../../config/settings.js';
import { ProductLogger } from './product-logger.js';

/** JSON lines on standard output; every line written while serving a request carries its id. */
@Global()
@Module({
  providers: [ProductLogger],
  exports: [ProductLogger],
  imports: [
    LoggerModule.forRootAsync({
      inject: [Settings],
      useFactory: (settings: Settings) => ({
        pinoHttp: {
          level: settings.LOG_LEVEL,
          genReqId: (request) => request.id, // set by set-up-http.ts, before anything can refuse
          customAttributeKeys: { reqId: 'request_id' },
          quietReqLogger: true,
          // Bodies are never logged; of the headers only what helps to find a caller.
          serializers: {
            req: ({ method, url, remoteAddress }: Record<string, unknown>) => ({
              method,
              url: withoutSecrets(String(url)),
              remoteAddress,
            }),
            res: ({ statusCode }: Record<string, unknown>) => ({ statusCode }),
          },
          redact: ['authorization', 'password', 'refresh_token', 'access_token'],
          autoLogging: { ignore: (request) => /^\/(health|metrics)\b/.test(request.url ?? '') },
        },
      }),
    }),
  ],
})
export class LoggingModule {}

/** Query strings may carry secrets of badly written clients, and the path of a decision link is one. */
export function withoutSecrets(url: string): string {
  const [path = url] = url.split('?');
  return path.replace(/^(\/+decide\/).*/i, '$1[token]');
}
