import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { Settings } from './config/settings.js';

/** Every answer that is no success, as `platform/http/problem.filter.ts` writes it. */
const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'request_id'],
  properties: {
    type: { type: 'string', description: 'Where the code is explained' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What happened and what to do' },
    instance: { type: 'string' },
    code: { type: 'string', description: 'Stable; for programs' },
    request_id: { type: 'string', nullable: true },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'code', 'message'],
        properties: {
          pointer: { type: 'string', description: 'JSON Pointer (RFC 6901) into the request' },
          code: { type: 'string' },
          message: { type: 'string' },
        },
      },
    },
  },
};

const PROBLEM_ANSWER = {
  description: 'A problem (RFC 9457); see /docs/errors',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** Lets people sign in by "Authorize" instead of pasting a token. */
const PASSWORD_FORM: Parameters<DocumentBuilder['addOAuth2']>[0] = {
  type: 'oauth2',
  flows: { password: { tokenUrl: '/api/auth/token', scopes: {} } },
};

/** The OpenAPI document, made from the same schemas that validate. `openapi.json` is its committed copy. */
export function describeApi(app: INestApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Holdpoint')
    .setDescription('Durable workflows that stop for people. Errors are application/problem+json (RFC 9457).')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' });
  const { PASSWORD_GRANT }: Settings = app.get(Settings);
  if (PASSWORD_GRANT) builder.addOAuth2(PASSWORD_FORM, 'password');
  const document = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace('Controller', '').toLowerCase()}_${method}`,
  });
  for (const item of Object.values(document.paths)) {
    for (const operation of [item.get, item.post, item.put, item.patch, item.delete]) {
      if (!operation) continue;
      operation.responses['default'] = PROBLEM_ANSWER;
      if (PASSWORD_GRANT && operation.security) operation.security.push({ password: [] });
    }
  }
  document.components = { ...document.components, schemas: { ...document.components?.schemas, Problem: PROBLEM } };
  return document;
}
