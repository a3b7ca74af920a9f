import { z } from 'zod';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { ATTEMPT_STATUSES } from './webhook-delivery.entity.js';

const url = z
  .url({ protocol: /^https?$/, error: 'Write an http or https URL, such as https://example.com/hooks.' })
  .max(2_048)
  .refine(hasNoCredentials, 'Leave user and password out of the URL: who gets a webhook knows it by its signature.')
  .meta({ example: 'https://example.com/hooks' });

const description = z.string().max(1_000);

const event = z
  .string()
  .max(100)
  .regex(
    /^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?)$/,
    'Name an event (checkpoint.opened), a group (checkpoint.*) or all (*).',
  );

const events = z
  .array(event)
  .min(1)
  .max(50)
  .meta({ example: ['checkpoint.*'] });

export const createEndpointBody = z
  .strictObject({ url, description: description.default(''), events: events.default(['*']) })
  .meta({ id: 'CreateWebhookEndpoint' });
export type CreateEndpointBody = z.output<typeof createEndpointBody>;

export const updateEndpointBody = z
  .strictObject({
    url: url.optional(),
    description: description.optional(),
    events: events.optional(),
    active: z.boolean().optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), 'Name at least one field to change.')
  .meta({ id: 'UpdateWebhookEndpoint' });
export type UpdateEndpointBody = z.output<typeof updateEndpointBody>;

export const listEndpointsQuery = z.strictObject(pageQuery);
export type ListEndpointsQuery = z.output<typeof listEndpointsQuery>;

const endpoint = {
  id: z.uuid(),
  url: z.string(),
  description: z.string(),
  events: z.array(z.string()),
  active: z.boolean(),
  disabled_reason: z.string().nullable(),
  previous_secret_until: timestamp.nullable(),
  created_by: z.uuid(),
  created_at: timestamp,
  updated_at: timestamp,
};

export const endpointView = z.object(endpoint).meta({ id: 'WebhookEndpoint' });
export const endpointPage = pageOf(endpointView, 'WebhookEndpointPage');

/** The one answer that shows the secret. */
export const endpointWithSecretView = z
  .object({ ...endpoint, secret: z.string().meta({ description: 'Shown now and never again' }) })
  .meta({ id: 'WebhookEndpointWithSecret' });

export const testView = z
  .object({ webhook_id: z.string().meta({ description: 'The webhook-id of the event under way' }) })
  .meta({ id: 'WebhookTest' });

const deliveryView = z
  .object({
    id: z.uuid(),
    webhook_id: z.string(),
    event_type: z.string(),
    attempt: z.int(),
    status: z.enum(ATTEMPT_STATUSES),
    http_status: z.int().nullable(),
    error: z.string().nullable(),
    at: timestamp,
    duration_ms: z.int(),
    next_attempt_at: timestamp.nullable(),
  })
  .meta({ id: 'WebhookDelivery' });

export const deliveryPage = pageOf(deliveryView, 'WebhookDeliveryPage');

function hasNoCredentials(text: string): boolean {
  if (!URL.canParse(text)) return true; // said already
  const { username, password } = new URL(text);
  return username === '' && password === '';
}
