import { z } from 'zod';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';

export const makeLinkBody = z
  .strictObject({
    user_id: z
      .uuid()
      .optional()
      .meta({ description: 'The member as whom it decides; left out, it is for somebody without an account' }),
    expires_in_seconds: z
      .int()
      .min(60)
      .max(30 * 86_400)
      .default(72 * 3_600),
  })
  .meta({ id: 'MakeDecisionLink' });
export type MakeLinkBody = z.output<typeof makeLinkBody>;

export const madeLinkView = z
  .object({
    id: z.uuid(),
    url: z.string().meta({ description: 'Shown once. Absolute where PUBLIC_URL is set, else a path of this server' }),
    expires_at: timestamp,
    user_id: z.uuid().nullable(),
  })
  .meta({ id: 'MadeDecisionLink' });

export const linkView = z
  .object({
    id: z.uuid(),
    checkpoint_id: z.uuid(),
    user_id: z.uuid().nullable(),
    created_by: z.uuid().nullable().meta({ description: 'Null: it came with a notification' }),
    created_at: timestamp,
    expires_at: timestamp,
    used_at: timestamp.nullable(),
    revoked_at: timestamp.nullable(),
  })
  .meta({ id: 'DecisionLink' });

export const listLinksQuery = z.strictObject(pageQuery);
export type ListLinksQuery = z.output<typeof listLinksQuery>;

export const linkPage = pageOf(linkView, 'DecisionLinkPage');

/** As browsers send line breaks, and as everybody else writes them. */
const typed = z.string().transform((text) => text.replaceAll('\r\n', '\n'));

/** What the page sends. What people type is judged later, so that nothing of it is lost when it is refused. */
export const decisionForm = z
  .strictObject({
    action: z.string().min(1).max(64),
    revision: z.coerce.number().int().min(1).max(2_147_483_647).meta({ description: 'The one that the page showed' }),
    name: typed.default('').meta({ description: 'Only and always with a link that is for nobody with an account' }),
    comment: typed.default(''),
    content: typed.optional().meta({ description: 'With edit: the content as it shall be, as JSON' }),
  })
  .meta({ id: 'DecisionForm' });
export type DecisionForm = z.output<typeof decisionForm>;
