import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import { WorkflowVersion } from './workflow-version.entity.js';
import { Workflow } from './workflow.entity.js';

/** A workflow with the definition of its current version. */
export type WorkflowWithDefinition = Workflow & { definition: unknown };

export interface WorkflowChange {
  name?: string | undefined;
  description?: string | undefined;
  active?: boolean | undefined;
  max_running?: number | null | undefined;
  /** True when a new version is saved with the change. */
  newVersion: boolean;
}

@Injectable()
export class WorkflowRepository {
  async insert(tx: Transaction, workflow: Partial<Workflow>): Promise<void> {
    await tx.insert(Workflow, workflow);
  }

  async insertVersion(tx: Transaction, version: Partial<WorkflowVersion>): Promise<void> {
    await tx.insert(WorkflowVersion, { ...version, definition: version.definition as never });
  }

  /** @throws not found, also for a workflow of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<WorkflowWithDefinition> {
    const rows: WorkflowWithDefinition[] = await tx.query(
      `select w.*, v.definition from workflows w
       join workflow_versions v on v.workflow_id = w.id and v.number = w.current_version
       where w.id = $1 and w.organization_id = $2`,
      [id, organizationId],
    );
    const [workflow] = rows;
    if (!workflow) throw notFound('workflow', id);
    return workflow;
  }

  /** @throws as `get` does, without reading the definition. */
  async mustExist(tx: Transaction, organizationId: string, id: string): Promise<void> {
    if (!(await tx.existsBy(Workflow, { id, organization_id: organizationId }))) throw notFound('workflow', id);
  }

  /** @throws not found when there is no such version. */
  async getVersion(tx: Transaction, organizationId: string, id: string, number: number): Promise<WorkflowVersion> {
    const version = await tx
      .createQueryBuilder(WorkflowVersion, 'version')
      .innerJoin(Workflow, 'workflow', 'workflow.id = version.workflow_id')
      .where('workflow.id = :id AND workflow.organization_id = :organizationId', { id, organizationId })
      .andWhere('version.number = :number', { number })
      .getOne();
    if (!version) throw notFound('version', `${number} of workflow ${id}`);
    return version;
  }

  /** Which of these workflows, or versions of them, the organization does not have. */
  async findMissing<R extends { workflow_id: string; version: number | undefined }>(
    tx: Transaction,
    organizationId: string,
    references: readonly R[],
  ): Promise<R[]> {
    const rows: { index: number }[] = await tx.query(
      `select r.index from json_to_recordset($2::json) as r(index int, workflow_id uuid, version int)
       left join workflows w on w.id = r.workflow_id and w.organization_id = $1
       left join workflow_versions v on v.workflow_id = w.id and v.number = coalesce(r.version, w.current_version)
       where v.workflow_id is null`,
      [organizationId, JSON.stringify(references.map((reference, index) => ({ ...reference, index })))],
    );
    return rows.flatMap(({ index }) => references[index] ?? []);
  }

  /** For the engine, which knows the execution and trusts its row. Null when there is none. */
  async findDefinition(tx: Transaction, workflowId: string, number: number): Promise<unknown> {
    const version = await tx.findOneBy(WorkflowVersion, { workflow_id: workflowId, number });
    return version?.definition ?? null;
  }

  /** Newest first, without definitions. */
  list(tx: Transaction, organizationId: string, before: string | undefined, limit: number): Promise<Workflow[]> {
    const query = tx
      .createQueryBuilder(Workflow, 'workflow')
      .where('workflow.organization_id = :organizationId', { organizationId })
      .orderBy('workflow.id', 'DESC')
      .limit(limit);
    if (before) query.andWhere('workflow.id < :before', { before });
    return query.getMany();
  }

  listVersions(
    tx: Transaction,
    workflowId: string,
    before: number | undefined,
    limit: number,
  ): Promise<WorkflowVersion[]> {
    const query = tx
      .createQueryBuilder(WorkflowVersion, 'version')
      .select(['version.workflow_id', 'version.number', 'version.created_by', 'version.created_at'])
      .where('version.workflow_id = :workflowId', { workflowId })
      .orderBy('version.number', 'DESC')
      .limit(limit);
    if (before !== undefined) query.andWhere('version.number < :before', { before });
    return query.getMany();
  }

  /**
   * Changes the workflow if it is still at `revision`, and says which version number is current now; null when somebody
   * else was first.
   */
  async change(tx: Transaction, id: string, revision: number, change: WorkflowChange): Promise<number | null> {
    const [rows]: [{ current_version: number }[], number] = await tx.query(
      `update workflows
       set name = coalesce($3, name), description = coalesce($4, description), active = coalesce($5, active),
           max_running = case when $7 then $8 else max_running end, current_version = current_version + $6, revision = revision + 1, updated_at = now()
       where id = $1 and revision = $2
       returning current_version`,
      [
        id,
        revision,
        change.name,
        change.description,
        change.active,
        change.newVersion ? 1 : 0,
        change.max_running !== undefined,
        change.max_running,
      ],
    );
    return rows[0]?.current_version ?? null;
  }
}
