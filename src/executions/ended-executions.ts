import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { ChildrenRepository } from './children.repository.js';
import { ExecutionRepository } from './execution.repository.js';
import { keyOf } from './settled.js';
import type { Claim } from './turn.repository.js';

export type Ended = Pick<
  Claim,
  'id' | 'organization_id' | 'concurrency_key' | 'parent_id' | 'parent_node' | 'parent_iteration'
> & { failed: boolean };

/**
 * What follows for others when executions end: the step that waits for a child goes on, the next item of a `map` may
 * go, the next execution with the same concurrency key may start. Part of the transaction that ends them.
 */
@Injectable()
export class EndedExecutions {
  constructor(
    private readonly executions: ExecutionRepository,
    private readonly children: ChildrenRepository,
  ) {}

  concernsOthers({ parent_node, concurrency_key }: Pick<Ended, 'parent_node' | 'concurrency_key'>): boolean {
    return parent_node !== null || concurrency_key !== null;
  }

  /** Before the executions are ended: of two that end at once each must see the other. */
  async lock(tx: Transaction, ended: readonly Omit<Ended, 'failed'>[]): Promise<void> {
    const parents = ended.flatMap(({ parent_id, parent_node }) => (parent_id && parent_node ? [parent_id] : []));
    if (parents.length > 0) await this.children.lockParents(tx, [...new Set(parents)]);
    await this.executions.lockLanes(tx, lanesOf(ended));
  }

  /** After the executions are ended. Answers the executions that can go on now. */
  async followUp(tx: Transaction, ended: readonly Ended[]): Promise<string[]> {
    const woken: string[] = [];
    const families = Map.groupBy(
      ended.filter(({ parent_id, parent_node }) => parent_id && parent_node),
      (one) => `${one.parent_id} ${keyOf(stepOf(one))}`,
    );
    for (const family of families.values()) woken.push(...(await this.afterChildren(tx, family)));
    for (const lane of lanesOf(ended)) woken.push(...(await this.executions.startNextInLane(tx, lane)));
    return woken;
  }

  private async afterChildren(tx: Transaction, family: readonly Ended[]): Promise<string[]> {
    const [first] = family;
    if (!first?.parent_id) return [];
    const step = stepOf(first);
    const next = await this.children.startNext(tx, first.parent_id, step, family.length);
    const failed = family.some((one) => one.failed);
    if (!failed && (await this.children.hasOpen(tx, first.parent_id, step))) return next;
    await this.executions.nudge(tx, first.parent_id);
    return [...next, first.parent_id];
  }
}

function stepOf({ parent_node, parent_iteration }: Pick<Ended, 'parent_node' | 'parent_iteration'>) {
  return { node_id: parent_node ?? '', iteration: parent_iteration ?? 0 };
}

/** Each lane once, in one order for all who lock several. */
function lanesOf(
  ended: readonly Pick<Ended, 'organization_id' | 'concurrency_key'>[],
): { organization: string; key: string }[] {
  const lanes = ended.flatMap(({ organization_id: organization, concurrency_key: key }) =>
    key === null ? [] : [[`${organization} ${key}`, { organization, key }] as const],
  );
  return [...new Map(lanes.toSorted(([a], [b]) => (a < b ? -1 : 1))).values()];
}
