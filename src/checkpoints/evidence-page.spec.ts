import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type AuditRecord } from '../audit/audit-record.entity.js';
import { hashRecord } from '../audit/hash-record.js';
import { canonicalJson } from '../platform/hashing/canonical-json.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import { CHECKPOINT_EVENTS, type CheckpointEvent } from './checkpoint-event.entity.js';
import { hashEvent } from './hash-event.js';

const page = readFileSync('docs/evidence.md', 'utf8');
const blocks = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text]) => JSON.parse(text ?? '') as object);
const [event, record] = blocks as [CheckpointEvent, AuditRecord];

describe('the page of evidence', () => {
  it('shows an event and a record that have their hashes', () => {
    expect(hashEvent({ ...event, occurred_at: new Date(event.occurred_at) })).toBe(event.hash);
    expect(hashRecord({ ...record, occurred_at: new Date(record.occurred_at) })).toBe(record.hash);
    expect(record.details).toMatchObject({ history_seq: event.seq, history_hash: event.hash });
  });

  it('shows how a shell computes the hash of the event', () => {
    const command = /^printf '%s' '(.*)' \| sha256sum$/m.exec(page);
    const { hash, ...content } = event;
    expect(command?.[1]).toBe(canonicalJson(content));
    expect(
      execFileSync('sh', ['-c', command?.[0] ?? ''])
        .toString()
        .split(' ')[0],
    ).toBe(hash);
  });

  it('shows content and its hash', () => {
    const [, content = '', canonical, hash] = /^Content `(.*?)` is `(.*?)` and has the hash\n`(.*?)`/m.exec(page) ?? [];
    expect(canonical).toBe(canonicalJson(JSON.parse(content)));
    expect(hash).toBe(hashJson(JSON.parse(content)));
  });

  it('lists the events that there are, and no others', () => {
    const listed = [...page.slice(page.indexOf('## Events')).matchAll(/^\| `(\w+)`/gm)].map(([, type]) => String(type));
    expect(listed.toSorted()).toEqual([...CHECKPOINT_EVENTS].toSorted());
  });
});
