import { isDeepStrictEqual } from 'node:util';
import type { Start } from '../workflows/engine/advance-execution.js';
import { nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { type BegunNode, beginNode, hasEffects, resumeNode } from './begin-node.js';
import { describeCommit } from './describe-commit.js';
import type { NodeOutcome } from './node-outcome.js';
import { type Beside, Draft, keyOf, type Settled } from './settled.js';
import type { OpenStep, TurnState } from './turn-state.js';
import type { Claim, Sight, TurnCommit } from './turn.repository.js';

/** What a turn needs of the world; the worker provides it. */
export interface TurnWorld {
  /** Runs a node that takes its time, in a sandbox for instance. Never throws for what the node itself does. */
  run(node: SlowNode, step: OpenStep, signal: AbortSignal): Promise<NodeOutcome>;
  /** Null when nothing was written: the claim is lost, or somebody else has changed the execution. */
  commit(commit: TurnCommit, beside: Beside): Promise<{ nudges: number } | null>;
  /** Null when the claim is lost. */
  look(): Promise<Sight | null>;
  /** What steps that wait for something outside have got: a signal, the ends of their children. */
  lookOutside(waiting: OpenStep[]): Promise<Result[]>;
  /** Everything once more from the rows, as of this sight. */
  reload(sight: Sight): Promise<TurnState>;
}

export interface Result {
  step: OpenStep;
  outcome: NodeOutcome;
  /** It took its time; others are as quickly made anew. */
  wasRun?: true;
}

type SlowNode = BegunNode & { kind: 'slow' };

interface BegunStep {
  step: OpenStep;
  node: SlowNode;
}

/** A commit that is under way, and what has to happen when it is answered. */
interface Sent {
  commit: TurnCommit;
  results: Result[];
  /** Steps with effects: what leads to them has to be written before they begin. */
  thenRun: BegunStep[];
}

/** setTimeout fires at once for more than 2^31 - 1. */
const LONGEST_TIMER_MS = 1_000_000_000;

/** Characters of JSON after which a commit takes no more results of short steps: one statement has to carry it. */
const COMMIT_LENGTH = 4 * 1024 * 1024;

/** Of short steps one after another, before their results are committed and others get the processor. */
const COMMIT_STEPS = 500;
const COMMIT_MS = 20;

/** A step that runs for longer is written as running, so that people see it. */
const SHOWN_AFTER_MS = 50;

/**
 * One claim of one execution, from its loaded steps to letting go.
 *
 * 1. What is ready runs at once, in this process. A result is on its way to the database as soon as there is one; one
 *    commit is under way at a time, and what ends meanwhile shares the next.
 * 2. A step without effects outside (code in the sandbox, a transform) begins without waiting for the commit of what leads
 *    to it: after a crash both are done again. One with effects (a request) begins when all of that is written; children and
 *    checkpoints are made in the very commit that has the step wait for them.
 * 3. The start of a step is written only when it takes long, or when another of its node is open: else an iteration could
 *    be missing after a crash.
 * 4. A commit without a receipt means that the claim is lost, and the turn stops; or that somebody else has changed the
 *    execution, and the turn takes the rows as they are now and puts the results it has to them once more; or that a
 *    signal was taken by another, and the turn looks for the next.
 * 5. The turn lets go with the commit after which nothing runs here. Invariant 3 of the README makes that commit leave
 *    the execution due if somebody called meanwhile.
 */
export class Turn {
  private readonly finished: Result[] = [];
  /** What runs in this process, by step. */
  private readonly running = new Map<string, AbortController>();
  /** What the state before the last reload had begun and no row tells of: taken up again if it is still wanted. */
  private readonly carried = new Map<string, Partial<Result> & { step: OpenStep }>();
  /** Of the rows after a reload: running steps that do not run here, stopped for results that were not written. */
  private readonly stopped = new Set<string>();
  /** Running steps that no row tells of yet. */
  private readonly unwritten = new Map<string, NodeJS.Timeout | undefined>();
  /** The results in the draft, in case it cannot be written, and the steps that wait for it to be written. */
  private drafted: Result[] = [];
  private toRun: BegunStep[] = [];
  private draft = new Draft();
  private sent: Sent | undefined;
  private answer: { receipt: { nudges: number } | null } | undefined;
  private broken: { error: unknown } | undefined;
  /** The engine offers more than one commit can carry. */
  private more = false;
  private graphEnded = false;
  private released = false;
  private nudged = false;
  private draining = false;
  private paused = false;
  private lost = false;
  private ring: () => void = () => undefined;

  constructor(
    private state: TurnState,
    private readonly world: TurnWorld,
    private readonly now: () => number,
  ) {
    this.paused = state.claim.paused_at !== null;
  }

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
    this.abortAll();
    this.ring();
  }

  /** @throws only when the database cannot be reached; the claim then runs out and somebody else takes over. */
  async take(): Promise<void> {
    try {
      for (const step of this.state.open.values()) if (step.status === 'running') this.resume(step);
      if (this.waitingOutside.length > 0) await this.lookOutside();
      this.resumeDue();
      while (!this.released && !this.lost) {
        if (!this.more || !this.sent) this.proceed();
        this.commit();
        await this.somethingHappens();
        await this.takeAnswer();
        if (this.nudged && !this.sent && !this.lost && !this.released) await this.lookAgain();
      }
    } finally {
      this.abortAll();
    }
  }

  private get standsStill(): boolean {
    return this.draining || this.paused;
  }

  /** Takes results in and goes on from them, as far as it goes at once or one commit can carry. */
  private proceed(): void {
    const until = this.now() + COMMIT_MS;
    do {
      this.takeResults();
      const plan = this.state.plan();
      const starts = plan.starts.filter((start) => this.mayBegin(start));
      const begun = this.beginAsFit(starts);
      for (const { node_id, iteration } of plan.cancels) this.cancel(keyOf({ node_id, iteration }));
      this.graphEnded = plan.ended;
      this.more = begun < starts.length || this.finished.length > 0;
    } while (this.finished.length > 0 && !this.isFull && this.now() <= until);
    if (this.more) return;
    this.dropCarried();
    this.resumeStopped();
  }

  /** While it stands still, what has begun goes on. */
  private mayBegin(start: Start): boolean {
    return !this.isOver && (!this.standsStill || this.carried.has(keyOf(start)));
  }

  private get isFull(): boolean {
    return this.draft.length >= COMMIT_LENGTH || this.draft.steps.size >= COMMIT_STEPS;
  }

  private takeResults(): void {
    for (let result = this.finished.shift(); result; result = this.isFull ? undefined : this.finished.shift()) {
      const key = keyOf(result.step);
      const step = this.state.open.get(key);
      if (step?.attempt !== result.step.attempt) continue; // somebody else has ended it
      this.forgetUnwritten(key);
      // Of two that end at once one may make the other too late.
      if (this.state.isOvertaken(step)) this.add(this.state.cancel(step));
      else {
        this.drafted.push(result);
        this.add(this.state.settle(step, result.outcome));
      }
    }
  }

  /** As many of the starts, from the first, as one commit can carry; the engine offers the others again. */
  private beginAsFit(starts: readonly Start[]): number {
    let begun = 0;
    let length = this.draft.length;
    for (const start of starts) {
      if (length >= COMMIT_LENGTH || this.draft.steps.size + begun >= COMMIT_STEPS) break;
      begun += 1;
      const node = beginNode(this.state.graph, start, this.state.namesFor(start), this.state.claim);
      if (node.kind === 'slow' && this.takeUp(start, node.input)) continue;
      const hasTwin = [...this.state.open.values()].some(({ node_id }) => node_id === start.node_id);
      const step = this.state.begin(start, node.kind === 'slow' ? node.input : null);
      length += JSON.stringify(node.kind === 'slow' ? node.input : node.outcome).length;
      if (node.kind === 'done') this.finished.push({ step, outcome: node.outcome });
      else this.beginSlow({ step, node }, hasTwin);
    }
    return begun;
  }

  /** A start that the state before the last reload had begun already, with the same input. */
  private takeUp(start: Start, input: JsonValue): boolean {
    const key = keyOf(start);
    const known = this.carried.get(key);
    if (!known || !isDeepStrictEqual([known.step.consumed, known.step.input], [start.consumed, input])) return false;
    this.carried.delete(key);
    const step = this.state.begin(start, known.step.input);
    step.since = known.step.since;
    if (known.outcome) this.finished.push({ step, outcome: known.outcome, wasRun: true });
    else this.showLater(step);
    return true;
  }

  /** What is not wanted any more. */
  private dropCarried(): void {
    for (const key of this.carried.keys()) this.abort(key);
    this.carried.clear();
  }

  private beginSlow(begun: BegunStep, hasTwin: boolean): void {
    this.unwritten.set(keyOf(begun.step), undefined);
    if (hasTwin) this.writeStarts(begun.step.node_id);
    const waits = hasEffects(begun.node.node);
    if (waits && !this.draft.isEmpty) this.toRun.push(begun);
    else if (waits && this.sent) this.sent.thenRun.push(begun);
    else this.run(begun.step, begun.node);
  }

  /** All of a node that no row tells of yet, so that no later one is written before an earlier one. */
  private writeStarts(nodeId: string): void {
    for (const key of this.unwritten.keys()) {
      const step = this.state.open.get(key);
      if (step?.node_id !== nodeId) continue;
      this.forgetUnwritten(key);
      this.add(this.state.started(step));
    }
  }

  private forgetUnwritten(key: string): void {
    clearTimeout(this.unwritten.get(key));
    this.unwritten.delete(key);
  }

  private cancel(key: string): void {
    const step = this.state.open.get(key);
    if (step) this.add(this.state.cancel(step));
    this.abort(key);
  }

  /** Sends what there is to write, if no commit is under way. */
  private commit(): void {
    if (this.sent || this.lost) return;
    const { draft, state } = this;
    const goesOn = this.more || this.toRun.length > 0 || this.finished.length > 0;
    const undoes = state.failure !== null && state.compensable && !state.claim.ending;
    const ended = !undoes && (state.failure !== null || state.terminated || (this.graphEnded && !goesOn));
    const released = undoes || ended || (this.running.size === 0 && !goesOn);
    if (!released && draft.isEmpty) return;
    const commit = describeCommit(state, draft, { released, ended, undoes, draining: this.draining });
    draft.beside.closing = undoes || (ended && state.open.size > 0);
    this.sent = { commit, results: this.drafted, thenRun: this.toRun };
    this.draft = new Draft();
    this.drafted = [];
    this.toRun = [];
    this.world.commit(commit, draft.beside).then(
      (receipt) => {
        this.answer = { receipt };
        this.ring();
      },
      (error: unknown) => {
        this.broken = { error };
        this.ring();
      },
    );
  }

  private async takeAnswer(): Promise<void> {
    if (this.broken) throw this.broken.error;
    const { sent, answer } = this;
    if (!sent || !answer) return;
    this.sent = this.answer = undefined;
    if (!answer.receipt) {
      await this.startOver(sent);
      return;
    }
    this.released = sent.commit.released;
    if (answer.receipt.nudges !== this.state.claim.nudges) this.nudged = true;
    if (!this.released) for (const { step, node } of sent.thenRun) if (this.isWanted(step)) this.run(step, node);
  }

  /** Of a step that waited for a commit: meanwhile something else may have ended it, or everything. */
  private isWanted(step: OpenStep): boolean {
    return this.state.open.get(keyOf(step)) === step && !this.isOver && !this.standsStill;
  }

  private get isOver(): boolean {
    return this.state.failure !== null || this.state.terminated;
  }

  /** Nothing was written: with the rows as they are now, unless the claim is lost. */
  private async startOver(sent: Sent): Promise<void> {
    const sight = await this.world.look();
    if (!sight) {
      this.abandon();
      return;
    }
    // One of these may be why: another execution has taken the signal.
    this.drafted.unshift(...sent.results.filter(({ outcome }) => !tookSignal(outcome)));
    await this.reload(sight);
    await this.lookOutside();
  }

  /** What has begun and is still wanted goes on, and so do its results. */
  private async reload(sight: Sight): Promise<void> {
    const before = this.state;
    this.state = await this.world.reload(sight);
    this.paused = sight.paused;
    this.draft = new Draft();
    this.toRun = [];
    const results = [...this.drafted.splice(0), ...this.finished.splice(0)];
    for (const key of this.running.keys()) this.keepRunning(key, before.open.get(key));
    for (const result of results) {
      if (this.state.open.has(keyOf(result.step))) this.finished.push(result);
      else if (result.wasRun) this.carried.set(keyOf(result.step), result);
    }
    this.stopped.clear();
    for (const [key, { status }] of this.state.open) {
      const known = this.running.has(key) || this.finished.some(({ step }) => keyOf(step) === key);
      if (status === 'running' && !known) this.stopped.add(key);
    }
    this.resumeDue();
  }

  private keepRunning(key: string, known: OpenStep | undefined): void {
    const step = this.state.open.get(key);
    if (known && step?.attempt === known.attempt) step.since = known.since;
    else if (known && !step)
      this.carried.set(key, { step: known }); // if no row tells of it, it is offered again
    else this.abort(key);
  }

  private run(step: OpenStep, node: BegunNode): void {
    this.state.startClock(step);
    if (node.kind === 'done') {
      this.finished.push({ step, outcome: node.outcome });
      return;
    }
    const aborting = new AbortController();
    const key = keyOf(step);
    this.running.set(key, aborting);
    if (this.unwritten.has(key)) this.showLater(step);
    void this.world.run(node, step, aborting.signal).then((outcome) => {
      if (this.running.get(key) !== aborting) return;
      this.running.delete(key);
      // Not taken up again yet: its result is kept with it until then.
      if (this.carried.has(key)) this.carried.set(key, { step, outcome, wasRun: true });
      else this.finished.push({ step, outcome, wasRun: true });
      this.ring();
    });
  }

  private showLater(step: OpenStep): void {
    const key = keyOf(step);
    clearTimeout(this.unwritten.get(key));
    const left = Math.max(0, SHOWN_AFTER_MS - (this.now() - step.since));
    this.unwritten.set(
      key,
      setTimeout(() => this.show(step), left),
    );
  }

  private show({ node_id }: OpenStep): void {
    this.writeStarts(node_id);
    this.ring();
  }

  private abort(key: string): void {
    this.forgetUnwritten(key);
    this.running.get(key)?.abort();
    this.running.delete(key);
  }

  private abortAll(): void {
    for (const key of this.running.keys()) this.abort(key);
  }

  /** A step that the claim before this one left running, or whose wait before the next attempt is over. */
  private resume(step: OpenStep): void {
    this.run(step, resumeNode(this.state.graph, step, this.state.namesFor(step), this.state.claim));
  }

  /** Unless they are to be stopped this time, too. */
  private resumeStopped(): void {
    for (const key of this.stopped) {
      const step = this.state.open.get(key);
      if (step?.status === 'running' && !this.isOver) this.resume(step);
    }
    this.stopped.clear();
  }

  /** Not while a commit is under way: it may be the one that says why the step begins again, or that lets go. */
  private resumeDue(): void {
    if (this.standsStill || this.sent) return;
    for (const step of this.state.open.values()) {
      if (step.status === 'running' || step.due_in === undefined || this.state.secondsLeft(step) > 0) continue;
      if (step.status === 'backing_off') {
        const { steps, events } = this.state.started(step);
        const wasTried = !step.postponed;
        this.state.retry(step);
        this.add({
          steps: steps.map((write) => ({ ...write, attempt: step.attempt })),
          events: wasTried ? events : [],
        });
        this.resume(step);
      } else {
        step.due_in = undefined; // once
        this.finished.push({ step, outcome: whenDue(nodeOf(this.state.graph, step.node_id).type) });
      }
    }
  }

  /** Sees what others did: decisions, orders to stand still, signals, ends of children, moments that have come. */
  private async lookAgain(): Promise<void> {
    this.nudged = false;
    const sight = await this.world.look();
    if (!sight) {
      this.abandon();
      return;
    }
    if (sight.changes !== this.state.claim.changes || sight.paused !== this.paused) await this.reload(sight);
    this.state.claim.nudges = sight.nudges;
    this.state.setNow(sight.database_now);
    await this.lookOutside();
    this.resumeDue();
  }

  private async lookOutside(): Promise<void> {
    const waiting = this.waitingOutside;
    if (waiting.length > 0 && !this.standsStill) this.finished.push(...(await this.world.lookOutside(waiting)));
  }

  private get waitingOutside(): OpenStep[] {
    return [...this.state.open.values()].filter(({ status, node_id }) => {
      const { type } = nodeOf(this.state.graph, node_id);
      return status === 'waiting' && (type === 'wait' || type === 'map' || type === 'workflow');
    });
  }

  private add(settled: Settled): void {
    this.draft.add(settled);
    // How long until then is for the database's clock to say.
    if (settled.steps.some((step) => step.due_at !== undefined)) this.nudged = true;
  }

  /** Resolves with the next result, answer, nudge, order to stop, or due moment of a waiting step. */
  private async somethingHappens(): Promise<void> {
    if (this.answer || this.broken || this.lost) return;
    if (!this.sent && (this.finished.length > 0 || this.nudged)) return;
    // What is due while it stands still or commits is not begun, so there is nothing to wake up for.
    const { wake_in } = this.standsStill || this.sent ? {} : this.state.nextDue;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.ring = resolve;
      if (wake_in !== undefined) timer = setTimeout(resolve, Math.min(wake_in * 1000, LONGEST_TIMER_MS));
    });
    clearTimeout(timer);
    this.resumeDue();
  }
}

function tookSignal(outcome: NodeOutcome): boolean {
  return outcome.kind === 'completed' && outcome.signal_id !== undefined;
}

/** What it means for a waiting step that its moment has come. */
function whenDue(type: string): NodeOutcome {
  if (type === 'delay') return { kind: 'completed', output: null, handle: null };
  const message =
    'What the step waited for did not come in time. Give it longer (timeout_seconds), or a way on (on_error).';
  return { kind: 'failed', failure: { code: 'STEP_TIMED_OUT', message }, retryable: false };
}
