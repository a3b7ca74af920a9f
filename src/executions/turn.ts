import { advance, type Start } from '../workflows/engine/advance-execution.js';
import { nodeOf } from '../workflows/engine/graph.js';
import type { NewEvent } from './execution-events.js';
import type { NodeOutcome } from './node-outcome.js';
import type { ParkedStep } from './parked-steps.js';
import { type BegunNode, beginNode } from './begin-node.js';
import { eventOf, keyOf, type OpenStep, type Settled, type TurnState } from './turn-state.js';
import type { Claim, StepRow, StepWrite, TurnCommit } from './turn.repository.js';

/** What a turn needs of the world; the worker provides it. */
export interface TurnWorld {
  /** Runs a node that takes its time, in a sandbox for instance. Never throws for what the node itself does. */
  run(node: BegunNode & { kind: 'slow' }, step: OpenStep, signal: AbortSignal): Promise<NodeOutcome>;
  /** Null when the claim is lost: nothing was written. */
  commit(commit: TurnCommit, parked: ParkedStep[]): Promise<{ nudges: number } | null>;
  /** The named steps as others left them; null when the claim is lost. */
  reload(claim: Claim, open: OpenStep[]): Promise<{ nudges: number; steps: StepRow[] } | null>;
}

/** setTimeout fires at once for more than 2^31 - 1. */
const LONGEST_TIMER_MS = 1_000_000_000;

/** Characters of JSON after which a commit takes no more results of short steps: one statement has to carry it. */
const COMMIT_LENGTH = 4 * 1024 * 1024;

/** What is to be written with the next commit. */
interface Draft {
  /** By step: a statement may write a row once, and the later state of a step stands for the earlier one. */
  steps: Map<string, StepWrite>;
  events: NewEvent[];
  parked: ParkedStep[];
}

/**
 * One claim of one execution, from its loaded steps to letting go.
 *
 * 1. What is ready runs at once, in this process. Results are committed as they come; those that are ready together
 *    share a commit, and each commit also holds the steps that follow.
 * 2. A commit without a receipt means that the claim is lost: what runs is aborted and nothing more is written.
 * 3. The turn lets go with the commit after which nothing runs here. Invariant 3 of the README makes that commit leave
 *    the execution due if somebody changed it meanwhile.
 */
export class Turn {
  private readonly aborting = new AbortController();
  private readonly finished: { step: OpenStep; outcome: NodeOutcome }[] = [];
  private draft: Draft = emptyDraft();
  private running = 0;
  private nudged = false;
  private draining = false;
  private lost = false;
  private ring: () => void = () => undefined;

  constructor(
    private readonly state: TurnState,
    private readonly world: TurnWorld,
  ) {}

  get claim(): Readonly<Claim> {
    return this.state.claim;
  }

  /** Somebody else changed the execution: look again. */
  nudge(): void {
    this.nudged = true;
    this.ring();
  }

  /** Let what runs finish, start nothing more, let go. */
  drain(): void {
    this.draining = true;
    this.ring();
  }

  /** Stop at once, writing nothing more. */
  abandon(): void {
    this.lost = true;
    this.aborting.abort();
    this.ring();
  }

  /** @throws only when the database cannot be reached; the claim then runs out and somebody else takes over. */
  async take(): Promise<void> {
    try {
      const begun = [...this.state.open.values()].filter((step) => step.status === 'running');
      for (const step of begun) this.resume(step);
      this.resumeDue();
      let released = await this.settle();
      while (!released && !this.lost) {
        await this.somethingHappens();
        if (this.nudged) await this.lookAgain();
        if (!this.lost) released = await this.settle();
      }
    } finally {
      this.aborting.abort();
    }
  }

  /** Commits what is finished and starts what follows; true when the turn is over. */
  private async settle(): Promise<boolean> {
    for (;;) {
      for (const { step, outcome } of this.finished.splice(0)) this.add(this.state.settle(step, outcome));
      const plan = advance(this.state.graph, this.state.marking);
      this.state.failure ??= plan.failure ?? null;
      const starts = this.state.failure || this.draining ? [] : plan.starts;
      const begun = this.beginAsFit(starts);
      const over = await this.commit(plan.ended, begun.length > 0);
      if (over || this.lost) return true;
      for (const { step, node } of begun) this.run(step, node);
      if (this.finished.length === 0 && begun.length === starts.length) return false;
    }
  }

  /** As many of the starts, from the first, as one commit can carry; the engine offers the others again. */
  private beginAsFit(starts: readonly Start[]): { step: OpenStep; node: BegunNode }[] {
    const begun: { step: OpenStep; node: BegunNode }[] = [];
    for (let length = 0, i = 0; i < starts.length && length < COMMIT_LENGTH; i++) {
      const { step, node } = this.begin(starts[i] as Start);
      if (node.kind === 'slow') this.add(this.startOf(step));
      length += JSON.stringify(node.kind === 'slow' ? node.input : node.outcome).length;
      begun.push({ step, node });
    }
    return begun;
  }

  private async commit(graphEnded: boolean, starting: boolean): Promise<boolean> {
    const { draft } = this;
    const { failure } = this.state;
    const ended = failure !== null || (graphEnded && !starting);
    const released = ended || (this.running === 0 && !starting && this.finished.length === 0);
    if (!released && draft.steps.size === 0 && draft.events.length === 0) return false;
    this.draft = emptyDraft();
    const commit = { ...this.header(draft, ended, released), ...(ended ? this.ending(draft) : {}) };
    const receipt = await this.world.commit(commit, draft.parked);
    if (!receipt) this.abandon();
    else if (receipt.nudges !== this.state.claim.nudges) this.nudged = true;
    return released;
  }

  private header(draft: Draft, ended: boolean, released: boolean): TurnCommit {
    const { id, epoch, nudges } = this.state.claim;
    const wake = this.draining ? { wake_in: 0 } : this.state.nextDue;
    return {
      execution_id: id,
      epoch,
      nudges,
      status: released ? this.waitingStatus() : 'running',
      released,
      ended,
      ...(released ? wake : {}),
      steps: [...draft.steps.values()],
      events: draft.events,
    };
  }

  private ending(draft: Draft): Partial<TurnCommit> {
    const { failure, output } = this.state;
    const events: NewEvent[] = [
      ...draft.events,
      failure ? { type: 'execution.failed', data: failure } : { type: 'execution.completed' },
    ];
    return failure ? { status: 'failed', error: failure, events } : { status: 'completed', output, events };
  }

  private waitingStatus(): TurnCommit['status'] {
    if (this.draining) return 'queued';
    const open = [...this.state.open.values()];
    const people = open.some((step) => nodeOf(this.state.graph, step.node_id).type === 'checkpoint');
    return people ? 'awaiting_checkpoint' : 'waiting';
  }

  private begin(start: Start): { step: OpenStep; node: BegunNode } {
    const node = beginNode(this.state.graph, start, this.state.names);
    return { step: this.state.begin(start, node.kind === 'slow' ? node.input : null), node };
  }

  private startOf(step: OpenStep): Settled {
    return { steps: [this.state.written(step)], events: [eventOf('step.started', step)], parked: [] };
  }

  private run(step: OpenStep, node: BegunNode): void {
    this.state.startClock(step);
    if (node.kind === 'done') {
      this.finished.push({ step, outcome: node.outcome });
      return;
    }
    this.running += 1;
    void this.world.run(node, step, this.aborting.signal).then((outcome) => {
      this.running -= 1;
      this.finished.push({ step, outcome });
      this.ring();
    });
  }

  /** A step that the claim before this one left running, or whose wait before the next attempt is over. */
  private resume(step: OpenStep): void {
    const node = nodeOf(this.state.graph, step.node_id);
    // With the input it had: others may have changed since what its expressions read.
    const begun = node.type === 'code' ? { kind: 'slow' as const, node, input: step.input } : undefined;
    this.run(step, begun ?? beginNode(this.state.graph, step, this.state.names));
  }

  private resumeDue(): void {
    for (const step of this.state.open.values()) {
      if (step.status === 'running' || step.due_in === undefined || this.state.secondsLeft(step) > 0) continue;
      if (step.status === 'backing_off') {
        const events = step.postponed ? [] : [eventOf('step.started', step)]; // it never ran
        this.state.retry(step);
        this.add({ ...this.startOf(step), events });
        this.resume(step);
      } else if (nodeOf(this.state.graph, step.node_id).type === 'delay') {
        step.due_in = undefined; // once
        this.finished.push({ step, outcome: { kind: 'completed', output: null, handle: null } });
      }
    }
  }

  /** Sees what others did to the steps that are open here: decisions, or moments that have come. */
  private async lookAgain(): Promise<void> {
    this.nudged = false;
    const seen = await this.world.reload(this.state.claim, [...this.state.open.values()]);
    if (!seen) {
      this.abandon();
      return;
    }
    this.state.claim.nudges = seen.nudges;
    for (const row of seen.steps) {
      if (row.status === 'completed' || row.status === 'failed') this.state.takeFinished(row);
      else this.state.setDue(row);
    }
    this.resumeDue();
  }

  private add(settled: Settled): void {
    const { draft } = this;
    for (const write of settled.steps) draft.steps.set(keyOf(write), write);
    draft.events.push(...settled.events);
    // How long until then is for the database's clock to say.
    if (settled.steps.some((step) => step.due_at !== undefined)) this.nudged = true;
    const { organization_id, id: execution_id, started_by: requested_by } = this.state.claim;
    for (const { step, content } of settled.parked) {
      const { node_id, iteration } = step;
      draft.parked.push({ ...content, organization_id, execution_id, node_id, iteration, requested_by });
    }
  }

  /** Resolves with the next result, nudge, order to stop, or due moment of a waiting step. */
  private async somethingHappens(): Promise<void> {
    if (this.finished.length > 0 || this.nudged || this.lost) return;
    const { wake_in } = this.state.nextDue;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.ring = resolve;
      if (wake_in !== undefined) timer = setTimeout(resolve, Math.min(wake_in * 1000, LONGEST_TIMER_MS));
    });
    clearTimeout(timer);
    this.resumeDue();
  }
}

function emptyDraft(): Draft {
  return { steps: new Map(), events: [], parked: [] };
}
