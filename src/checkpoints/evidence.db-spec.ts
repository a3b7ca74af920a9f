import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DataSource } from 'typeorm';
import { reviewDefinition } from '../../test/definitions.js';
import { insertExecutions, insertWorkflow } from '../../test/execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import { AuditExportService } from '../audit/audit-export.service.js';
import { AuditRepository } from '../audit/audit.repository.js';
import { AuditService } from '../audit/audit.service.js';
import { dataSourceOptions } from '../data-source.js';
import { Transactions } from '../platform/database/transactions.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import type { SignedCursor } from '../platform/http/signed-cursor.js';
import { CheckpointEvent } from './checkpoint-event.entity.js';
import { Checkpoint } from './checkpoint.entity.js';
import { Decision } from './decision.entity.js';
import { approvedAfterEdit, type History, PEOPLE } from './evidence-file.fixture.js';
import { EvidenceRepository } from './evidence.repository.js';
import { EvidenceService } from './evidence.service.js';

const ACTOR: Actor = { type: 'user', id: PEOPLE.Ann, request_id: 'abcdefgh', address: '127.0.0.1', user_agent: 'x' };

describe('the record of a checkpoint', () => {
  let database: TestDatabase;
  let source: DataSource;
  let audit: AuditService;
  let auditExport: AuditExportService;
  let service: EvidenceService;
  let organization: string;
  let rows: History;
  let folder: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url)).initialize();
    const [transactions, records] = [new Transactions(source), new AuditRepository()];
    audit = new AuditService(transactions, records, {} as SignedCursor);
    auditExport = new AuditExportService(transactions, records, audit);
    service = new EvidenceService(transactions, new EvidenceRepository(), audit, auditExport);
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-evidence-'));
    const of = await insertWorkflow(database, reviewDefinition());
    const [execution_id = ''] = await insertExecutions(database, of, 1);
    organization = of.organization;
    for (const [name, id] of Object.entries(PEOPLE)) {
      await database.query(`insert into users (id, email, name, password_hash) values ($1, $2, $3, '')`, [
        id,
        `${name}@x.example`,
        name,
      ]);
    }
    rows = approvedAfterEdit({ organization_id: organization, execution_id, workflow_id: of.workflow });
    await source.transaction(async (tx) => {
      await tx.insert(Checkpoint, rows.checkpoint as never);
      await tx.insert(Decision, rows.decisions as never);
      await tx.insert(CheckpointEvent, rows.events as never);
    });
    for (const { type, seq, hash } of rows.events) if (seq !== 1 && seq < 8) await record(type, seq, hash);
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await source.destroy();
    await database.drop();
  });

  const record = (type: string, history_seq: number, history_hash: string) =>
    source.transaction((tx) =>
      audit.record(tx, ACTOR, {
        organization_id: organization,
        action: `checkpoint.${type}`,
        subject: { type: 'checkpoint', id: rows.checkpoint.id },
        details: { history_seq, history_hash },
      }),
    );

  const reader = (permissions: string[] = []): Principal =>
    ({ organization_id: organization, permissions: new Set(permissions) }) as unknown as Principal;

  const lastRecord = async () =>
    (
      await database.query<{ action: string; details: object }>(
        'select action, details from audit_records where organization_id = $1 order by seq desc limit 1',
        [organization],
      )
    )[0];

  async function verified(text: string, options: object = {}) {
    const path = join(folder, 'export');
    writeFileSync(path, text);
    const verifier = (await import(pathToFileURL(resolve('scripts/verify-audit.mjs')).href)) as {
      verifyFile(path: string, options: object): Promise<{ breaches: object[]; report: string[] }>;
    };
    return verifier.verifyFile(path, options);
  }

  async function exported(range: { from_seq?: string; to_seq?: string } = {}) {
    const header = await auditExport.begin(ACTOR, organization, range);
    let text = '';
    for await (const piece of auditExport.lines(header)) text += piece;
    return { header, text };
  }

  it('is read page by page, oldest first', async () => {
    const { id } = rows.checkpoint;
    const seen: number[] = [];
    let after: number | null = 0;
    while (after !== null) {
      const page = await service.history(reader(['audit:read']), id, { after, limit: 3 });
      expect(page.data).toEqual(rows.events.slice(after, after + 3));
      seen.push(page.data.length);
      after = page.next_after;
    }
    expect(seen).toEqual([3, 3, 2]);
    expect(await service.history(reader(), id, { after: 8, limit: 3 })).toEqual({ data: [], next_after: null });
  });

  it('tells where people work from only to who reads the audit record', async () => {
    const { data } = await service.history(reader(), rows.checkpoint.id, { after: 1, limit: 1 });
    expect(data).toEqual([
      {
        ...rows.events[1],
        actor: { user_id: PEOPLE.Ann, name: 'Ann', via: 'access_token', request_id: 'request-0001' },
      },
    ]);
  });

  it('of another organization is not there', async () => {
    const stranger = { ...reader(), organization_id: PEOPLE.Ann };
    await expect(service.history(stranger, rows.checkpoint.id, { after: 0, limit: 1 })).rejects.toThrow(
      'no checkpoint',
    );
    await expect(service.export(ACTOR, PEOPLE.Ann, rows.checkpoint.id)).rejects.toThrow('no checkpoint');
  });

  it('is exported as evidence that the script verifies, and the export is on record', async () => {
    const evidence = await service.export(ACTOR, organization, rows.checkpoint.id);
    const { history_length, history_hash } = rows.checkpoint;
    expect(await lastRecord()).toEqual({
      action: 'checkpoint.evidence_exported',
      details: { history_seq: history_length, history_hash },
    });
    expect(evidence.audit_records).toHaveLength(6);
    const { breaches, report } = await verified(JSON.stringify(evidence), { heads: [history_hash] });
    expect(breaches).toEqual([]);
    expect(report.join('\n')).toContain('6 audit records');
    const again = await service.export(ACTOR, organization, rows.checkpoint.id);
    expect(again.audit_records).toHaveLength(7);
    expect((await verified(JSON.stringify(again))).breaches).toEqual([]);
  });

  it('is not exported when it is too large for one file, and can still be read', async () => {
    const { id } = rows.checkpoint;
    const large = { ...rows.events[7], seq: 9, data: { text: 'x'.repeat(33 * 1024 * 1024) } };
    await source.manager.insert(CheckpointEvent, large);
    await expect(service.export(ACTOR, organization, id)).rejects.toMatchObject({ code: 'EVIDENCE_TOO_LARGE' });
    await database.query('update checkpoints set history_length = 9 where id = $1', [id]);
    expect(await service.history(reader(), id, { after: 6, limit: 5 })).toMatchObject({
      data: [{ seq: 7 }, { seq: 8 }],
      next_after: 8,
    });
    expect(await service.history(reader(), id, { after: 8, limit: 5 })).toMatchObject({
      data: [{ seq: 9 }],
      next_after: null,
    });
    await database.query('delete from checkpoint_events where seq = 9');
    await database.query('update checkpoints set history_length = 8 where id = $1', [id]);
  });

  describe('of an organization', () => {
    it('is exported whole or in part, in an order that the script verifies', async () => {
      for (let i = 0; i < 600; i++) await record('commented', 2, rows.events[1]?.hash ?? '');
      const { header, text } = await exported();
      const lines = text.trimEnd().split('\n');
      expect(lines).toHaveLength(Number(header.head.seq) + 1);
      expect(await verified(text, { heads: [header.head.hash] })).toMatchObject({ breaches: [] });
      const part = await exported({ from_seq: '3', to_seq: '5' });
      expect(part.text.split('\n').slice(1)).toEqual([...lines.slice(3, 6), '']);
      expect(await verified(part.text)).toMatchObject({ breaches: [] });
      const { head } = part.header;
      expect(await lastRecord()).toEqual({
        action: 'audit.exported',
        details: { from_seq: '3', to_seq: '5', head_seq: head.seq, head_hash: head.hash },
      });
    });

    it('holds what there was when the export began, whatever comes meanwhile', async () => {
      const header = await auditExport.begin(ACTOR, organization, {});
      await record('commented', 2, rows.events[1]?.hash ?? '');
      let text = '';
      for await (const piece of auditExport.lines(header)) text += piece;
      expect(text.trimEnd().split('\n')).toHaveLength(Number(header.head.seq) + 1);
      expect(await verified(text)).toMatchObject({ breaches: [] });
    });

    it('has its evidence in it', async () => {
      const evidence = await service.export(ACTOR, organization, rows.checkpoint.id);
      const { header, text } = await exported();
      const chain = join(folder, 'chain');
      writeFileSync(chain, text);
      const heads = [header.head.hash];
      expect(await verified(JSON.stringify(evidence), { chain, heads })).toMatchObject({ breaches: [] });
    });

    it('is read only as far as somebody takes it', async () => {
      const header = await auditExport.begin(ACTOR, organization, {});
      const lines = auditExport.lines(header);
      const first = await lines.next();
      expect(JSON.parse(String(first.value))).toEqual(header);
      const reads = jest.spyOn(source.manager, 'createQueryBuilder');
      await lines.next();
      await lines.return(undefined);
      expect(reads).toHaveBeenCalledTimes(1);
      reads.mockRestore();
    });

    it('has nothing to export beyond its end, which is not put on record', async () => {
      const before = await lastRecord();
      for (const range of [{ from_seq: '1000000' }, { from_seq: '5', to_seq: '4' }]) {
        await expect(auditExport.begin(ACTOR, organization, range)).rejects.toMatchObject({
          code: 'AUDIT_RANGE_EMPTY',
        });
      }
      await expect(auditExport.begin(ACTOR, PEOPLE.Ann, {})).rejects.toMatchObject({ code: 'AUDIT_RANGE_EMPTY' });
      expect(await lastRecord()).toEqual(before);
    });

    it('that was changed in the database is found out by the script', async () => {
      await database.query(`alter table audit_records disable trigger user`);
      await database.query(
        `update audit_records set details = '{"history_seq":1}' where organization_id = $1 and seq = 3`,
        [organization],
      );
      await database.query(`delete from audit_records where organization_id = $1 and seq = 5`, [organization]);
      const { breaches } = await verified((await exported()).text);
      expect(breaches).toEqual([
        { at: 'line 4, record 3', what: expect.stringContaining('was changed') },
        { at: 'line 6, record 6', what: expect.stringContaining('does not come after 4') },
        { at: 'line 6, record 6', what: expect.stringContaining('does not name the hash') },
      ]);
    });
  });
});
