import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound, type Problem } from '../platform/errors/domain-error.js';
import { staleVersion } from '../platform/http/if-match.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { readableProblems } from '../platform/http/readable-problems.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import type { WorkflowDefinition } from './engine/definition.js';
import { compileGraph, type Graph } from './engine/graph.js';
import { validateDefinition } from './engine/validate-definition.js';
import { workflowReferences } from './engine/workflow-references.js';
import { WorkflowRepository, type WorkflowWithDefinition } from './workflow.repository.js';

interface NewWorkflow {
  name: string;
  description: string;
  definition: unknown;
  max_running?: number | null | undefined;
}

type Changes = Partial<NewWorkflow> & { active?: boolean | undefined };

/** Compiled graphs kept at most; versions never change, so nothing else invalidates one. */
const GRAPHS = 200;

@Injectable()
export class WorkflowsService {
  private readonly graphs = new Map<string, Graph>();

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: WorkflowRepository,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  /** @throws DomainError INVALID_DEFINITION with every problem of the definition. */
  async create(principal: Principal, actor: Actor, given: NewWorkflow): Promise<WorkflowWithDefinition> {
    const { organization_id, user_id } = principal;
    return this.transactions.run((tx) => this.createIn(tx, { organization_id, user_id }, actor, given));
  }

  /** Like `create`, as part of a larger transaction. */
  async createIn(
    tx: Transaction,
    owner: Pick<Principal, 'organization_id' | 'user_id'>,
    actor: Actor,
    { name, description, definition, max_running = null }: NewWorkflow,
  ): Promise<WorkflowWithDefinition> {
    const valid = mustBeValid(definition);
    const id = uuidv7();
    const { organization_id, user_id: created_by } = owner;
    await this.mustKnow(tx, organization_id, valid);
    await this.repository.insert(tx, { id, organization_id, name, description, max_running, created_by });
    await this.repository.insertVersion(tx, { workflow_id: id, number: 1, definition, created_by });
    const subject = { type: 'workflow', id };
    await this.audit.record(tx, actor, { organization_id, action: 'workflow.created', subject, details: { name } });
    return this.repository.get(tx, organization_id, id);
  }

  get(organizationId: string, id: string): Promise<WorkflowWithDefinition> {
    return this.transactions.read((tx) => this.repository.get(tx, organizationId, id));
  }

  getVersion(organizationId: string, id: string, number: number) {
    return this.transactions.read((tx) => this.repository.getVersion(tx, organizationId, id, number));
  }

  async list(organizationId: string, page: { cursor?: string | undefined; limit: number }) {
    const list = `workflows:${organizationId}`;
    const before = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) => this.repository.list(tx, organizationId, before, page.limit + 1));
    return this.cursors.page(list, rows, page.limit, (workflow) => workflow.id);
  }

  async listVersions(organizationId: string, id: string, page: { cursor?: string | undefined; limit: number }) {
    const list = `versions:${id}`;
    const before = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read(async (tx) => {
      await this.repository.mustExist(tx, organizationId, id);
      return this.repository.listVersions(tx, id, before ? Number(before) : undefined, page.limit + 1);
    });
    return this.cursors.page(list, rows, page.limit, (version) => String(version.number));
  }

  /**
   * Changes what is given; a definition that differs becomes the next version.
   * @throws DomainError STALE_VERSION when somebody changed the workflow since `revision` was read.
   */
  async update(principal: Principal, actor: Actor, id: string, revision: number, changes: Changes) {
    const valid = changes.definition === undefined ? undefined : mustBeValid(changes.definition);
    const { organization_id, user_id } = principal;
    return this.transactions.run(async (tx) => {
      const before = await this.repository.get(tx, organization_id, id);
      if (valid) await this.mustKnow(tx, organization_id, valid);
      const newVersion =
        changes.definition !== undefined && JSON.stringify(changes.definition) !== JSON.stringify(before.definition);
      const number = await this.repository.change(tx, id, revision, { ...changes, newVersion });
      if (number === null) throw staleVersion();
      if (newVersion) {
        const { definition } = changes;
        await this.repository.insertVersion(tx, { workflow_id: id, number, definition, created_by: user_id });
      }
      const details = { changed: Object.keys(changes), version: number };
      const action = changes.active === false && before.active ? 'workflow.deactivated' : 'workflow.updated';
      await this.audit.record(tx, actor, { organization_id, action, subject: { type: 'workflow', id }, details });
      return this.repository.get(tx, organization_id, id);
    });
  }

  /** @throws DomainError INVALID_DEFINITION when it starts workflows that the organization does not have. */
  private async mustKnow(tx: Transaction, organizationId: string, definition: WorkflowDefinition): Promise<void> {
    const missing = await this.repository.findMissing(tx, organizationId, workflowReferences(definition));
    const problems = missing.map(({ pointer, workflow_id, version }) => {
      const which = version === undefined ? workflow_id : `${workflow_id} with a version ${version}`;
      const message = `There is no workflow ${which} in this organization; save it first, or name another.`;
      return { pointer, code: 'UNKNOWN_WORKFLOW', message };
    });
    if (problems.length > 0) throw invalidDefinition(problems);
  }

  /** What is wrong with a definition, the first hundred of it, without saving anything. */
  validate(definition: unknown): { valid: boolean; errors: Problem[] } {
    const result = validateDefinition(definition);
    return { valid: result.ok, errors: result.ok ? [] : readableProblems(result.problems) };
  }

  /** @throws not found, also for a workflow of another organization. */
  mustExist(tx: Transaction, organizationId: string, id: string): Promise<void> {
    return this.repository.mustExist(tx, organizationId, id);
  }

  /**
   * The version that a new execution gets: the one asked for, else the current one.
   * @throws DomainError not found; WORKFLOW_INACTIVE.
   */
  async startable(tx: Transaction, organizationId: string, id: string, version: number | undefined) {
    const workflow = await this.repository.get(tx, organizationId, id);
    if (!workflow.active) {
      const message = 'The workflow is inactive. Activate it (PATCH with active: true) or start another one.';
      throw new DomainError('conflict', 'WORKFLOW_INACTIVE', message);
    }
    if (version !== undefined) await this.repository.getVersion(tx, organizationId, id, version);
    return { version: version ?? workflow.current_version };
  }

  /** The compiled graph of a version, for the engine; with a scope, that of what items of its `map` nodes go through. */
  async graphOf(tx: Transaction, workflowId: string, version: number, scope: string): Promise<Graph> {
    const graph = await this.wholeGraphOf(tx, workflowId, version);
    const path = scope === '' ? [] : scope.split('/');
    return path.reduce((outer, node) => {
      const body = outer.bodies.get(node);
      if (!body) throw new Error(`version ${version} of workflow ${workflowId} has no items at ${scope}`);
      return body;
    }, graph);
  }

  private async wholeGraphOf(tx: Transaction, workflowId: string, version: number): Promise<Graph> {
    const key = `${workflowId}:${version}`;
    const cached = this.graphs.get(key);
    if (cached) return cached;
    const definition = await this.repository.findDefinition(tx, workflowId, version);
    if (!definition) throw notFound('version', `${version} of workflow ${workflowId}`);
    const graph = compileGraph(definition as WorkflowDefinition);
    const [oldest] = this.graphs.keys();
    if (this.graphs.size >= GRAPHS && oldest) this.graphs.delete(oldest);
    this.graphs.set(key, graph);
    return graph;
  }
}

function mustBeValid(definition: unknown): WorkflowDefinition {
  const result = validateDefinition(definition);
  if (result.ok) return result.definition;
  throw invalidDefinition(result.problems);
}

function invalidDefinition(problems: readonly Problem[]): DomainError {
  const errors = problems.map((problem) => ({ ...problem, pointer: `/definition${problem.pointer}` }));
  const message = `The definition has ${errors.length === 1 ? 'a problem' : `${errors.length} problems`}; each is in errors with its place.`;
  return new DomainError('invalid', 'INVALID_DEFINITION', message, { errors });
}
