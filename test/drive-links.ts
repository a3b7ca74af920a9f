import type { CheckpointDriver, Person } from './drive-checkpoints.js';
import type { TestApp, TestPerson } from './start-test-app.js';

export interface MadeLink {
  id: string;
  url: string;
  expires_at: string;
  user_id: string | null;
}

export const ANYONE = { allow_links: 'anyone' };
export const MEMBERS = { allow_links: 'members' };

/** What somebody without an account writes. */
export const NAMED = { name: 'Zoë Outside' };

export type LinkDriver = ReturnType<typeof driveLinks>;

/** What people do with decision links, through the API and as a browser does. */
export function driveLinks(test: TestApp, drive: CheckpointDriver, owner: TestPerson) {
  const ask = (checkpoint: { id: string }, who: Person, body: object = {}) => drive.act(checkpoint, 'links', who, body);

  const make = async (checkpoint: { id: string }, who: Person = owner, body: object = {}): Promise<MadeLink> =>
    (await ask(checkpoint, who, body).expect(201)).body;

  const open = (url: string) => test.http().get(url);

  const send = (url: string, form: object = {}) =>
    test
      .http()
      .post(url)
      .type('form')
      .send({ action: 'approve', revision: 1, ...form });

  const revoke = ({ id }: { id: string }, who: Person = owner) =>
    drive.post(`/api/checkpoints/links/${id}/revoke`, who);

  const row = async ({ id }: { id: string }) =>
    (await test.database.query<Record<string, unknown>>('select * from decision_links where id = $1', [id]))[0];

  const expire = ({ id }: { id: string }) =>
    test.database.query(`update decision_links set expires_at = now() - interval '1 second' where id = $1`, [id]);

  const auditOf = ({ id }: { id: string }) =>
    test.database.query<{ action: string; actor_id: string | null; details: Record<string, unknown> }>(
      'select action, actor_id, details from audit_records where subject_id = $1 order by seq',
      [id],
    );

  return { ask, make, open, send, revoke, row, expire, auditOf };
}
