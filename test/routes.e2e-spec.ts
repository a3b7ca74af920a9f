import { readFileSync } from 'node:fs';
import { Controller, Get, Module, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { APP_FILTER, APP_GUARD, ModulesContainer, Reflector } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Test as NestTest } from '@nestjs/testing';
import request from 'supertest';
import { PermissionGuard, requirementOf } from '../src/platform/http/permission.guard.js';
import { PERMISSIONS, ROLE_PERMISSIONS, ROLES } from '../src/platform/http/permissions.js';
import { ProblemFilter } from '../src/platform/http/problem.filter.js';
import { Public, type Requirement } from '../src/platform/http/requires.decorator.js';
import { addMember, type TestMember } from './add-member.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

interface Route {
  method: string;
  /** As the router has it: `/api/workflows/:id`. */
  path: string;
  requirement: Requirement;
}

interface Operation {
  security?: Record<string, string[]>[];
  responses: Record<string, unknown>;
  operationId: string;
  summary: string;
  tags: string[];
}

/** What no controller makes: Swagger UI and its documents. */
const DOCUMENTATION = '/docs';

let test: TestApp;
let owner: TestPerson;
let routes: Route[];
let document: OpenAPIObject;

beforeAll(async () => {
  test = await startTestApp();
  owner = await test.register();
  routes = controllerRoutes();
  document = (await test.http().get('/docs/json').expect(200)).body as OpenAPIObject;
});

afterAll(() => test.close());

function controllerRoutes(): Route[] {
  const reflector = new Reflector();
  const controllers = [...test.app.get(ModulesContainer).values()].flatMap((module) => [
    ...module.controllers.values(),
  ]);
  return controllers.flatMap(({ metatype }) => {
    const type = metatype as new () => object;
    const prototype = type.prototype as Record<string, () => unknown>;
    const names = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
    return names.flatMap((name) => {
      const handler = prototype[name] as () => unknown;
      const path = Reflect.getMetadata(PATH_METADATA, handler) as string | undefined;
      if (path === undefined) return [];
      const requirement = requirementOf(reflector, new ExecutionContextHost([], type, handler));
      const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number] ?? '';
      const prefix = Reflect.getMetadata(PATH_METADATA, type) as string;
      return [{ method, path: `/${[prefix, path].filter((part) => part !== '/').join('/')}`, requirement }];
    });
  });
}

/** Every route that Express knows, whoever made it; a splat over everything is how Nest mounts middleware. */
function routerRoutes(): string[] {
  const { router } = test.app.getHttpAdapter().getInstance() as { router: { stack: Layer[] } };
  return router.stack.flatMap(({ route }) => {
    if (!route || route.path === '{/*splat}') return [];
    return Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`);
  });
}

interface Layer {
  route?: { path: string; methods: Record<string, boolean> };
}

const nameOf = ({ method, path }: Route) => `${method} ${path}`;

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      operation,
    })),
  );

/** A request that changes nothing: its ids are of nothing, its body is empty. */
function send({ method, path }: Pick<Route, 'method' | 'path'>, headers: Record<string, string> = {}) {
  const url = path
    .replaceAll(/:(id|user_id)/g, '01900000-0000-7000-8000-000000000000')
    .replace(':number', '1')
    .replace(':name', 'NOTHING');
  const agent = test.http();
  if (method === 'GET') return agent.get(url).set(headers);
  if (method === 'DELETE') return agent.delete(url).set(headers);
  if (method === 'PUT') return agent.put(url).set(headers);
  return (method === 'PATCH' ? agent.patch(url) : agent.post(url)).set(headers).send({});
}

describe('routes', () => {
  it('state each what they require, and are all there is besides the documentation', () => {
    const router = routerRoutes().filter((name) => !name.split(' ')[1]?.startsWith(DOCUMENTATION));
    expect(router.toSorted()).toEqual(routes.map(nameOf).toSorted());
    expect(routes.length).toBeGreaterThan(25);
    const known = new Set<string>([...PERMISSIONS, 'signed-in', 'in-person', 'public']);
    expect(routes.filter(({ requirement }) => !known.has(requirement))).toEqual([]);
  });

  it('are all in the OpenAPI document, which has no others', () => {
    const named = operations().map(({ name }) => name);
    expect(named.toSorted()).toEqual(routes.map(nameOf).toSorted());
  });

  it('are described each by a summary, a tag, an answer and an id of its own', () => {
    const all = operations();
    const lacking = all.filter(({ operation }) => !operation.summary || operation.tags.length !== 1);
    expect(lacking.map(({ name }) => name)).toEqual([]);
    const silent = all.filter(
      ({ operation }) => !Object.keys(operation.responses).some((status) => status.startsWith('2')),
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
    expect(new Set(all.map(({ operation }) => operation.operationId)).size).toBe(all.length);
  });

  it('ask for a bearer token in the document exactly when they are not public', () => {
    const asking = operations().filter(({ operation }) => operation.security?.some((scheme) => 'bearer' in scheme));
    const closed = routes.filter(({ requirement }) => requirement !== 'public');
    expect(asking.map(({ name }) => name).toSorted()).toEqual(closed.map(nameOf).toSorted());
  });

  it('that are public are these', () => {
    expect(
      routes
        .filter(({ requirement }) => requirement === 'public')
        .map(nameOf)
        .toSorted(),
    ).toEqual([
      'GET /api/auth/jwks',
      'GET /api/security/health',
      'GET /decide/:token',
      'GET /health/liveness',
      'GET /health/migrations',
      'GET /health/readiness',
      'GET /metrics',
      'GET /pages/checkpoint-analytics',
      'POST /api/auth/login',
      'POST /api/auth/refresh',
      'POST /api/auth/register',
      'POST /api/auth/token',
      'POST /decide/:token',
    ]);
  });

  it('let nobody in without a token unless they are public', async () => {
    const open = [];
    for (const route of routes) if ((await send(route)).status !== 401) open.push(nameOf(route));
    const publicRoutes = routes.filter(({ requirement }) => requirement === 'public');
    expect(open.toSorted()).toEqual(publicRoutes.map(nameOf).toSorted());
  });

  it('let in exactly the roles that hold their permission', async () => {
    const members = new Map<string, TestMember>();
    for (const role of ROLES) members.set(role, await addMember(test, owner.organization.id, role));
    const guarded = routes.filter(({ requirement }) => (PERMISSIONS as readonly string[]).includes(requirement));
    const table: string[] = [];
    for (const route of guarded) {
      const admitted: string[] = [];
      for (const [role, { auth }] of members) {
        const { status, body } = await send(route, auth);
        expect([401, 429, 500]).not.toContain(status);
        if (status !== 403) admitted.push(role);
        else
          expect(body).toMatchObject({
            code: 'PERMISSION_MISSING',
            detail: expect.stringContaining(route.requirement),
          });
      }
      table.push(`${nameOf(route)}: ${admitted.join(' ')}`);
    }
    const holders = (requirement: Requirement) =>
      ROLES.filter((role) => (ROLE_PERMISSIONS[role] as readonly string[]).includes(requirement));
    expect(table).toEqual(guarded.map((route) => `${nameOf(route)}: ${holders(route.requirement).join(' ')}`));
  });

  it('for the signed-in let every role in', async () => {
    const own = routes.filter(
      (route) =>
        (route.requirement === 'signed-in' || route.requirement === 'in-person') &&
        nameOf(route) !== 'POST /api/auth/logout',
    );
    expect(own.length).toBeGreaterThan(2);
    for (const role of ROLES) {
      const { auth } = await addMember(test, owner.organization.id, role);
      for (const route of own) expect([200, 404, 422]).toContain((await send(route, auth)).status);
      await send({ method: 'POST', path: '/api/auth/logout' }, auth).expect(204);
    }
  });
});

describe('routes that want somebody in person', () => {
  it('are these, and let no API key in', async () => {
    const scopes = { name: 'everything', scopes: PERMISSIONS };
    const { body } = await test.http().post('/api/auth/api-keys').set(owner.auth).send(scopes).expect(201);
    const refused: string[] = [];
    for (const route of routes.filter(({ requirement }) => requirement !== 'public')) {
      const answer = await send(route, { Authorization: `Bearer ${String(body.key)}` });
      expect([401, 429, 500]).not.toContain(answer.status);
      if (answer.body.code === 'SESSION_REQUIRED') refused.push(nameOf(route));
    }
    expect(refused.toSorted()).toEqual([
      'DELETE /api/auth/api-keys/:id',
      'DELETE /api/auth/sessions/:id',
      'GET /api/auth/api-keys',
      'GET /api/auth/sessions',
      'GET /api/organizations',
      'POST /api/auth/api-keys',
      'POST /api/auth/logout',
    ]);
  });
});

describe('a route that forgets to say what it requires', () => {
  let calls = 0;

  @Controller('fixture')
  class ForgetfulController {
    @Get('forgotten')
    forgotten() {
      calls += 1;
      return 'secret';
    }

    @Public()
    @Get('stated')
    stated() {
      return 'open';
    }
  }

  @Module({
    controllers: [ForgetfulController],
    providers: [
      { provide: APP_GUARD, useClass: PermissionGuard },
      { provide: APP_FILTER, useClass: ProblemFilter },
    ],
  })
  class FixtureModule {}

  it('answers nobody', async () => {
    const module = await NestTest.createTestingModule({ imports: [FixtureModule] }).compile();
    const app = await module.createNestApplication({ logger: false }).init();
    const http = () => request(app.getHttpServer() as Parameters<typeof request>[0]);
    await http().get('/fixture/stated').expect(200, 'open');
    const { body } = await http().get('/fixture/forgotten').set(owner.auth).expect(500);
    expect(body).toMatchObject({ status: 500, code: 'INTERNAL_ERROR' });
    expect(calls).toBe(0);
    await app.close();
  });
});

describe('security headers', () => {
  it('are on every answer of every route, whoever asks and whatever comes of it', async () => {
    const answers = [
      ...(await Promise.all(routes.map((route) => send(route)))),
      await send({ method: 'GET', path: '/api/auth/me' }, owner.auth),
      await send({ method: 'GET', path: '/api/nowhere' }),
      await test.http().post('/api/workflows').set('Content-Type', 'application/json').send('{'),
      await test.http().post('/api/workflows').set('Content-Type', 'text/plain').send('x'),
      await test.http().options('/api/workflows'),
      ...(await Promise.all(['/docs', '/docs/json', '/docs/nowhere', '/'].map((path) => test.http().get(path)))),
    ];
    for (const { headers, request: asked } of answers) {
      const { pathname } = new URL((asked as unknown as { url: string }).url);
      expect({ pathname, ...headers }).not.toHaveProperty('x-powered-by');
      expect({ pathname, ...headers }).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'SAMEORIGIN',
        'referrer-policy': 'no-referrer',
        'strict-transport-security': expect.stringMatching(/^max-age=\d{8,}/),
        // Pages that we make are complete in themselves; what is no page of ours there is a problem like elsewhere.
        'content-security-policy': expect.stringMatching(
          pathname.startsWith('/pages') ? /default-src 'none'/ : /default-src '(self|none)'/,
        ),
        'x-request-id': expect.stringMatching(/^[\w-]{8,64}$/),
      });
      if (pathname.startsWith('/api')) expect({ pathname, ...headers }).toMatchObject({ 'cache-control': 'no-store' });
    }
  });

  it('allow scripts of this server only and nothing to be evaluated', async () => {
    const policy = (await test.http().get('/docs').expect(200)).headers['content-security-policy'] ?? '';
    const directives = new Map(
      policy.split(';').map((part) => [part.split(' ')[0], part.split(' ').slice(1).join(' ')]),
    );
    expect(Object.fromEntries(directives)).toMatchObject({
      'script-src': "'self'",
      'script-src-attr': "'none'",
      'object-src': "'none'",
      'base-uri': "'self'",
      'frame-ancestors': "'self'",
      'form-action': "'self'",
    });
    expect(policy).not.toContain('unsafe-eval');
    expect(policy).not.toContain('upgrade-insecure-requests');
  });
});

describe('the documentation', () => {
  it('is Swagger UI with all that it needs from this server', async () => {
    const { text, headers } = await test.http().get('/docs').expect(200);
    expect(headers['content-type']).toContain('text/html');
    const references = [...text.matchAll(/<(?:script|link|img)\b[^>]*?\s(?:src|href)="([^"]+)"/g)].map(
      ([, url]) => url ?? '',
    );
    expect(references.join(' ')).toContain('swagger-ui-bundle.js');
    for (const reference of references) {
      const url = new URL(reference, `${test.url}/docs`);
      expect(url.origin).toBe(test.url);
      await test.http().get(url.pathname).expect(200);
    }
    const inline = [...text.matchAll(/<script\b[^>]*>([^<]*)<\/script>/g)].filter(([, code]) => code?.trim() !== '');
    expect(inline).toEqual([]);
  });

  it('offers a bearer token and the password form under "Authorize", the form only where it is on', () => {
    const bearer = { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' };
    const password = { type: 'oauth2', flows: { password: { tokenUrl: '/api/auth/token', scopes: {} } } };
    expect(document.components?.securitySchemes).toEqual({ bearer, password });
    expect(document.paths['/api/auth/me']?.get?.security).toEqual([{ bearer: [] }, { password: [] }]);
  });

  it('has for every reference what it refers to', () => {
    const text = JSON.stringify(document);
    const names = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? '');
    expect(names.length).toBeGreaterThan(20);
    expect(names.filter((name) => !(name in (document.components?.schemas ?? {})))).toEqual([]);
    expect(text).not.toMatch(/"\$ref":"(?!#\/components\/schemas\/)/);
  });
});

describe('an installation with limits and an origin', () => {
  const ORIGIN = 'https://app.example';
  let small: TestApp;

  beforeAll(async () => {
    small = await startTestApp({
      RATE_LIMIT_PER_MINUTE: '3',
      RATE_LIMIT_PER_HOUR: '100',
      CORS_ORIGINS: ORIGIN,
      PASSWORD_GRANT: 'false',
    });
  });

  afterAll(() => small.close());

  const me = (person: TestPerson, path = '/api/auth/me') => small.http().get(path).set(person.auth);

  it('offers no password form where that is off', async () => {
    const { body } = await small.http().get('/docs/json').expect(200);
    expect(Object.keys((body as OpenAPIObject).components?.securitySchemes ?? {})).toEqual(['bearer']);
  });

  it('says how much is left, then refuses until the window is over', async () => {
    const person = await small.register();
    for (const left of [2, 1, 0]) {
      const { headers } = await me(person).expect(200);
      expect(headers['ratelimit-policy']).toBe('"minute";q=3;w=60, "hour";q=100;w=3600');
      expect(headers['ratelimit']).toMatch(new RegExp(`^"minute";r=${left};t=\\d+, "hour";r=${97 + left};t=\\d+$`));
    }
    const { headers, body } = await me(person).expect(429);
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(body).toMatchObject({
      type: '/docs/errors#rate-limited',
      title: 'Too Many Requests',
      status: 429,
      code: 'RATE_LIMITED',
      instance: '/api/auth/me',
      request_id: headers['x-request-id'],
    });
    const seconds = Number(headers['retry-after']);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(body.detail).toContain(`Wait ${seconds} seconds`);
  });

  it('counts each person alone, refused requests as well, and all routes together', async () => {
    const [first, second] = [await small.register(), await small.register()];
    await me(first, '/api/workflows').expect(200);
    await me(first, '/api/workflows/x').expect(422);
    await me(first, '/api/workflows/01900000-0000-7000-8000-000000000000').expect(404);
    await me(first).expect(429);
    await me(second).expect(200);
  });

  it('never refuses a probe', async () => {
    for (let i = 0; i < 6; i++) await small.http().get('/health/liveness').expect(200);
  });

  it('does not believe an address that the caller gives', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      const { status } = await small.http().get('/api/auth/me').set('X-Forwarded-For', `203.0.113.${i}`);
      statuses.push(status);
    }
    expect(statuses).toEqual([401, 401, 401, 429]);
  });

  it('lets pages of that origin in, and tells no other that it may', async () => {
    const preflight = (origin: string) =>
      small.http().options('/api/workflows').set({ Origin: origin, 'Access-Control-Request-Method': 'PATCH' });
    expect((await preflight(ORIGIN)).headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      vary: expect.stringContaining('Origin'),
    });
    for (const origin of ['https://evil.example', `${ORIGIN}.evil.example`, 'http://app.example', 'null']) {
      expect((await preflight(origin)).headers).not.toHaveProperty('access-control-allow-origin');
    }
    const { headers } = await small.http().get('/health/liveness').set('Origin', ORIGIN);
    expect(headers['access-control-expose-headers']).toBe(
      'ETag,Location,X-Request-Id,Retry-After,RateLimit,RateLimit-Policy',
    );
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });
});

describe('a path with a method it does not have', () => {
  it.each([
    ['delete', '/api/workflows', 'GET, POST'],
    ['put', '/api/workflows/01a1fe0b-7252-7514-8ecf-398d05603007', 'GET, PATCH'],
    ['post', '/health/liveness', 'GET'],
  ] as const)('%s %s is answered with 405 and the methods it has', async (method, path, allowed) => {
    const answer = await test.http()[method](path).expect(405);
    expect(answer.headers['allow']).toBe(allowed);
    expect(answer.body).toMatchObject({ code: 'METHOD_NOT_ALLOWED', status: 405 });
  });
});

describe('the documents', () => {
  it('have a page that explains every error, and the committed OpenAPI document is what the code says', async () => {
    const page = await test.http().get('/docs/errors').expect(200);
    expect(page.text).toContain('id="checkpoint-decided"');
    expect(document).toEqual(JSON.parse(readFileSync('openapi.json', 'utf8')));
  });
});

describe('an instance without the role api', () => {
  it('answers probes and nothing else', async () => {
    const worker = await startTestApp({ HOLDPOINT_ROLES: 'worker' });
    try {
      await worker.http().get('/health/readiness').expect(200);
      await worker.http().get('/api/auth/jwks').expect(404);
      await worker.http().get('/docs').expect(404);
    } finally {
      await worker.close();
    }
  });
});
