import type { NestExpressApplication } from '@nestjs/platform-express';
import { SwaggerModule } from '@nestjs/swagger';
import { json, type NextFunction, type Request, type Response, urlencoded } from 'express';
import helmet from 'helmet';
import { Settings } from './config/settings.js';
import { describeApi } from './describe-api.js';
import { errorPage } from './error-page.js';
import { DomainError } from './platform/errors/domain-error.js';
import { assignRequestId } from './platform/http/request-id.js';
import { HttpMetrics } from './platform/metrics/http-metrics.js';

/** What pages of other origins may read besides the body. */
const EXPOSED_HEADERS = ['ETag', 'Location', 'X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy'];

/** Everything about HTTP that main.ts and the end-to-end tests must set up alike. Create the app with `bodyParser: false`. */
export function setUpHttp(app: NestExpressApplication): void {
  const settings: Settings = app.get(Settings);
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.set('trust proxy', settings.TRUST_PROXY.length > 0 ? settings.TRUST_PROXY : false);
  app.use(app.get(HttpMetrics).measure, identified);
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }));
  if (settings.CORS_ORIGINS.length > 0) {
    app.enableCors({ origin: [...settings.CORS_ORIGINS], exposedHeaders: EXPOSED_HEADERS }); // refusals have it too
  }
  if (!settings.HOLDPOINT_ROLES.includes('api')) app.use(probesOnly);
  app.use('/api', notStored, singleQueryKeys);
  app.use('/api/auth/token', urlencoded({ extended: false, limit: '16kb' })); // beside /decide, the one that takes a form
  app.use('/api', knownMediaType);
  app.use('/decide', notStored, notIndexed, singleQueryKeys);
  app.use('/decide', urlencoded({ extended: false, limit: '1mb', parameterLimit: 20 }), formOnly);
  app.use('/api/auth', json({ limit: '16kb', strict: false })); // strangers send these
  app.use(json({ limit: `${settings.BODY_LIMIT_MB}mb`, strict: false }));
  const page = errorPage(); // before the rest of /docs, which is Swagger UI's
  app.use('/docs/errors', (_request: Request, response: Response) => void response.type('html').send(page));
  SwaggerModule.setup('docs', app, () => describeApi(app), {
    jsonDocumentUrl: 'docs/json',
    swaggerOptions: { persistAuthorization: true },
  });
  // process.exit() instead of raising the signal again, so that the log's last lines are flushed.
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
}

/** First of all, so that every refusal can be found in the log. */
function identified(request: Request, response: Response, next: NextFunction): void {
  request.id = assignRequestId(request, response);
  next();
}

/** An instance without the role `api` answers its orchestrator and who watches it, nobody else. */
function probesOnly(request: Request, _response: Response, next: NextFunction): void {
  if (request.path.startsWith('/health') || request.path === '/metrics') next();
  else throw new DomainError('not_found', 'ROUTE_NOT_FOUND', 'This instance only works. Ask one with the role api.');
}

function notStored(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('Cache-Control', 'no-store');
  next();
}

/** Pages behind an address that is a secret. */
function notIndexed(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('X-Robots-Tag', 'noindex, nofollow');
  next();
}

/** What pages of other origins can send without asking is a form as well; this keeps the rest out. */
function formOnly(request: Request, _response: Response, next: NextFunction): void {
  const { 'transfer-encoding': transfer, 'content-length': length } = request.headers;
  const isUnread = request.body === undefined && (transfer !== undefined || Number(length ?? 0) > 0);
  if (!isUnread || request.is('application/x-www-form-urlencoded')) next();
  else throw new DomainError('unsupported', 'UNSUPPORTED_MEDIA_TYPE', 'Send the form of the page as it is.');
}

/** A body of another type would silently be read as empty, and one in UTF-7 or UTF-16 is no JSON (RFC 8259 §8.1). */
function knownMediaType(request: Request, _response: Response, next: NextFunction): void {
  const { 'transfer-encoding': transfer, 'content-length': length, 'content-type': type = '' } = request.headers;
  const isUnread = request.body === undefined && (transfer !== undefined || Number(length ?? 0) > 0);
  const charset = /;\s*charset="?([^\s;"]*)/i.exec(type)?.[1] ?? 'utf-8';
  if (isUnread && (!request.is('application/json') || charset.toLowerCase() !== 'utf-8')) {
    throw new DomainError('unsupported', 'UNSUPPORTED_MEDIA_TYPE', 'Send the body as application/json in UTF-8.');
  }
  next();
}

/** A key given twice would reach one reader as the first value and another as the last. */
function singleQueryKeys(request: Request, _response: Response, next: NextFunction): void {
  const repeated = Object.entries(request.query).find(([, value]) => Array.isArray(value))?.[0];
  if (repeated !== undefined) {
    throw new DomainError('invalid', 'REPEATED_QUERY_KEY', `The query names ${repeated} more than once. Name it once.`);
  }
  next();
}
