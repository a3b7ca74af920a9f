import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AccountsService } from '../auth/accounts.service.js';
import { ExecutionsService } from '../executions/executions.service.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { SYSTEM_ACTOR } from '../platform/http/principal.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import { DEMO_ORGANIZATION, DEMO_PASSWORD, DEMO_PEOPLE } from './demo-people.js';
import { REFUND_INPUT, REFUND_REQUEST } from './demo-workflow.js';

/** Any constant: one seeder at a time per database. */
const LOCK = 7_201_122;

/** Makes the demo organization at the first start: three people, one workflow, one checkpoint that waits. */
@Injectable()
export class DemoService implements OnApplicationBootstrap {
  private readonly logger = new Logger(DemoService.name);

  constructor(
    private readonly transactions: Transactions,
    private readonly accounts: AccountsService,
    private readonly organizations: OrganizationsService,
    private readonly workflows: WorkflowsService,
    private readonly executions: ExecutionsService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (await this.transactions.read((tx) => this.exists(tx))) return;
    const hashes = await Promise.all(DEMO_PEOPLE.map((person) => this.accounts.hashNewPassword(DEMO_PASSWORD, person)));
    const executionId = await this.transactions.run((tx) => this.seed(tx, hashes));
    if (executionId === undefined) return;
    this.executions.wakeAfterCommit(executionId);
    this.logger.log(`made the demo organization with ${DEMO_PEOPLE.length} people and a checkpoint that waits`);
  }

  private exists(tx: Transaction): Promise<boolean> {
    return this.accounts.exists(tx, DEMO_PEOPLE[0].email);
  }

  /** All of it or nothing; undefined when another instance was faster. */
  private async seed(tx: Transaction, hashes: string[]): Promise<string | undefined> {
    await tx.query('select pg_advisory_xact_lock($1)', [LOCK]);
    if (await this.exists(tx)) return undefined;
    const { id: organization_id } = await this.organizations.createOrganization(tx, DEMO_ORGANIZATION);
    const people: { id: string }[] = [];
    for (const [index, person] of DEMO_PEOPLE.entries()) {
      const password_hash = hashes[index] ?? '';
      people.push(await this.accounts.createMember(tx, { ...person, password_hash, organization_id }));
    }
    const author = { organization_id, user_id: people[1]?.id ?? '' };
    const workflow = await this.workflows.createIn(tx, author, SYSTEM_ACTOR, REFUND_REQUEST);
    const given = { workflow_id: workflow.id, input: REFUND_INPUT };
    return (await this.executions.startIn(tx, author, SYSTEM_ACTOR, given)).id;
  }
}
