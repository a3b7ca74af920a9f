import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { CheckpointRepository } from './checkpoint.repository.js';
import { type Claimant, DecidersService } from './deciders.service.js';
import { DecisionsService } from './decisions.service.js';
import { personalKeys } from './candidate-keys.js';
import { type CheckpointFilter, type InboxFilter, type InboxOwner, InboxRepository } from './inbox.repository.js';

type Page<F> = Omit<F, 'after'> & { cursor?: string | undefined };

/** Reading: one checkpoint, the inbox of a person, and the history across executions. */
@Injectable()
export class CheckpointsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CheckpointRepository,
    private readonly inbox: InboxRepository,
    private readonly deciders: DecidersService,
    private readonly decisions: DecisionsService,
    private readonly cursors: SignedCursor,
  ) {}

  /** With what the reader may do with it now. */
  get(claimant: Claimant, id: string) {
    return this.transactions.read(async (tx) => {
      const sight = await this.repository.get(tx, claimant.organization_id, id);
      return { sight, preview: await this.decisions.preview(tx, sight, claimant) };
    });
  }

  async list(filter: Page<CheckpointFilter>) {
    const { cursor, limit, ...wanted } = filter;
    const list = `checkpoints:${hashJson(JSON.parse(JSON.stringify(wanted)))}`;
    const after = this.cursors.decode(list, cursor);
    const rows = await this.transactions.read((tx) => this.inbox.list(tx, { ...wanted, after, limit: limit + 1 }));
    this.repository.remember(rows);
    return this.cursors.page(list, rows, limit, (checkpoint) => checkpoint.id);
  }

  async listInbox(claimant: Claimant, filter: Page<InboxFilter>) {
    const { cursor, limit, ...wanted } = filter;
    const list = `inbox:${claimant.organization_id}:${claimant.user_id}:${hashJson(JSON.parse(JSON.stringify(wanted)))}`;
    const position = this.cursors.decode(list, cursor);
    const after = position === undefined ? undefined : (JSON.parse(position) as NonNullable<InboxFilter['after']>);
    const rows = await this.transactions.read(async (tx) =>
      this.inbox.listInbox(tx, await this.ownerOf(tx, claimant), { ...wanted, after, limit: limit + 1 }),
    );
    return this.cursors.page(list, rows, limit, ({ id, due_at }) => JSON.stringify({ id, due_at }));
  }

  countInbox(claimant: Claimant, withinSeconds: number) {
    return this.transactions.read(async (tx) =>
      this.inbox.countInbox(tx, await this.ownerOf(tx, claimant), withinSeconds),
    );
  }

  private async ownerOf(tx: Transaction, claimant: Claimant): Promise<InboxOwner> {
    const { organization_id, user_id, email } = claimant;
    if (user_id === null) throw new Error('only accounts have an inbox');
    const { mandates } = await this.deciders.find(tx, claimant);
    const keys = mandates.filter(({ may_decide }) => may_decide).flatMap((mandate) => mandate.keys);
    return { organization_id, user_id, keys, personal: personalKeys(organization_id, { user_id, email }) };
  }
}
