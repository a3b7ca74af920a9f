import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { openText, sealText } from '../platform/sealing/seal-text.js';
import { type ListedSecret, MOST_SECRETS, SecretsRepository } from './secrets.repository.js';

/** What is known of secrets that were asked for by name. */
export interface Revealed {
  values: Record<string, string>;
  /** There are none of these names. */
  missing: string[];
  /** They are there, sealed under another SECRET_KEY. */
  unreadable: string[];
}

interface Page {
  cursor?: string | undefined;
  limit: number;
}

const PURPOSE = 'secret';

/** Secrets of organizations: written by people, read by code that names them, shown to nobody. */
@Injectable()
export class SecretsService {
  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: SecretsRepository,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  /** Makes it, or gives it another value from the next run on. @throws TOO_MANY_SECRETS */
  set({ organization_id, user_id }: Principal, actor: Actor, name: string, value: string): Promise<ListedSecret> {
    const sealed_value = sealText(this.settings.SECRET_KEY, PURPOSE, contextOf(organization_id, name), value);
    return this.transactions.run(async (tx) => {
      const secret = await this.repository.put(tx, { organization_id, name, sealed_value, set_by: user_id });
      if (!secret) throw tooMany();
      await this.record(tx, actor, organization_id, 'secret.set', name);
      return secret;
    });
  }

  async list(organizationId: string, page: Page) {
    const list = `secrets:${organizationId}`;
    const after = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) => this.repository.list(tx, organizationId, after, page.limit + 1));
    return this.cursors.page(list, rows, page.limit, ({ name }) => name);
  }

  /** @throws not found */
  delete({ organization_id }: Principal, actor: Actor, name: string): Promise<void> {
    return this.transactions.run(async (tx) => {
      await this.repository.delete(tx, organization_id, name);
      await this.record(tx, actor, organization_id, 'secret.deleted', name);
    });
  }

  /** For code that is about to run. That they were used is noted to the hour: a step does not cost a write. */
  async reveal(tx: Transaction, organizationId: string, names: readonly string[]): Promise<Revealed> {
    if (names.length === 0) return { values: {}, missing: [], unreadable: [] };
    const rows = await this.repository.findSealed(tx, organizationId, names);
    const stale = rows.filter((row) => row.is_use_stale).map(({ name }) => name);
    if (stale.length > 0) await this.repository.noteUse(tx, organizationId, stale);
    const opened = new Map(rows.map(({ name, sealed_value }) => [name, this.open(organizationId, name, sealed_value)]));
    return {
      values: Object.fromEntries([...opened].flatMap(([name, value]) => (value === null ? [] : [[name, value]]))),
      missing: names.filter((name) => !opened.has(name)),
      unreadable: names.filter((name) => opened.get(name) === null),
    };
  }

  private open(organizationId: string, name: string, sealed: string): string | null {
    return openText(this.settings.SECRET_KEY, PURPOSE, contextOf(organizationId, name), sealed);
  }

  private record(tx: Transaction, actor: Actor, organization_id: string, action: string, name: string): Promise<void> {
    return this.audit.record(tx, actor, { organization_id, action, subject: { type: 'secret', id: name } });
  }
}

/** A sealed value opens in no other organization and under no other name. */
function contextOf(organizationId: string, name: string): string {
  return `${organizationId}/${name}`;
}

function tooMany(): DomainError {
  const message = `The organization has ${MOST_SECRETS} secrets, which is all it may have. Delete one first.`;
  return new DomainError('conflict', 'TOO_MANY_SECRETS', message);
}
