import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Settings } from '../config/settings.js';
import { sqlState, Transactions } from '../platform/database/transactions.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import { LocalWorker } from './local-worker.js';
import { NodeRunner } from './node-runner.js';
import { compensableNodes } from './compensation.js';
import { OutsideService } from './outside.service.js';
import { type Beside, Draft } from './settled.js';
import { SNAPSHOT_FORMAT } from './snapshot.js';
import { Turn, type TurnWorld } from './turn.js';
import { type Chance, TurnState } from './turn-state.js';
import {
  type Claim,
  type FreshClaim,
  type StepRow,
  type Receipt,
  type TurnCommit,
  TurnRepository,
} from './turn.repository.js';
import { TurnWriter } from './turn-writer.js';
import { WakeUps } from './wake-ups.js';
import { WorkerSession } from './worker-session.js';

/** How often the table is looked at when nobody calls. */
const LOOK_MS = 1_000;

/** How often dead workers are looked for: their executions are to go on within a second, with one survivor too. */
const DEAD_MS = 250;

/** Cardinality, data, integrity and program limits (PostgreSQL, appendix A): the same statement fails again. */
const NEVER_ACCEPTED = /^(21|22|23|54)/;

/** A turn that broke on our side is due again after this, so that it does not spin. */
const BROKEN_TURN_SECONDS = 5;

const CHANCE: Chance = { now: () => performance.now(), random: Math.random, newId: () => uuidv7() };

interface HeldTurn {
  claim: Claim;
  /** Undefined until its steps are loaded. */
  turn: Turn | undefined;
  /** The claim is lost; also when that is known before the steps are loaded. */
  abandoned: boolean;
  over: Promise<void>;
}

/** How long running steps may take to finish when the process is asked to stop. */
const DRAIN_MS = 20_000;

/**
 * Claims due executions and takes their turns, up to WORKER_CONCURRENCY at once. The README says what holds when it
 * dies at any point.
 */
@Injectable()
export class WorkerService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(WorkerService.name);
  private readonly turns = new Map<string, HeldTurn>();
  private session: WorkerSession | undefined;
  private stopping = false;
  private looking = false;
  /** Places that are kept for executions that are being started here. */
  private reserved = 0;
  /** The last claim filled all places, or none was free for one: others may be due that come before what starts now. */
  private mayBeMore = false;
  /** How many may run at once is limited, for organizations or workflows; looked at every second. */
  private isLimited = true;
  private lookAgain = false;
  private takingOver = false;
  private timer: NodeJS.Timeout | undefined;
  /** When it rings, by the clock of this process. */
  private alarm = Infinity;
  private intervals: NodeJS.Timeout[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: TurnRepository,
    private readonly workflows: WorkflowsService,
    private readonly wakeUps: WakeUps,
    private readonly runner: NodeRunner,
    private readonly writer: TurnWriter,
    private readonly outside: OutsideService,
    private readonly localWorker: LocalWorker,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.settings.HOLDPOINT_ROLES.includes('worker')) return;
    this.wakeUps.listen((ids) => this.woken(ids));
    this.localWorker.register({
      reserve: () => this.reserve(),
      giveBack: () => void (this.reserved -= 1),
      take: (claim, steps) => this.takeFresh(claim, steps),
    });
    this.session = new WorkerSession(this.settings.DATABASE_URL, {
      lost: () => this.abandonAll(),
      regained: () => this.look(),
      heard: (payload) => this.wakeUps.heard(payload),
    });
    await this.session.open();
    const renewMs = (this.settings.WORKER_LEASE_SECONDS * 1000) / 3;
    this.intervals = [
      setInterval(() => this.watch(), LOOK_MS),
      setInterval(() => void this.takeOver(), DEAD_MS),
      setInterval(() => void this.attempt('renew leases', () => this.renew()), renewMs),
    ];
    this.watch();
  }

  /** Claims nothing more; lets running steps finish for a while, then hands back what is left. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    for (const { turn } of this.turns.values()) turn?.drain();
    const over = Promise.allSettled([...this.turns.values()].map((entry) => entry.over));
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
    for (const interval of this.intervals) clearInterval(interval);
    const left = [...this.turns.values()].map(({ claim }) => claim);
    this.abandonAll();
    await this.attempt('hand back', () => this.handBack(left, 0));
    await this.session?.close();
  }

  private woken(ids: string[]): void {
    for (const id of ids) this.turns.get(id)?.turn?.nudge();
    // An empty list stands for many: anything may have changed.
    if (ids.length === 0) for (const { turn } of this.turns.values()) turn?.nudge();
    if (ids.length === 0 || ids.some((id) => !this.turns.has(id))) this.look();
  }

  /** What would be noticed at once by calls and closing connections, in case they did not arrive. */
  private watch(): void {
    void this.session?.check();
    void this.attempt('look after what it holds', () => this.nudgeChanged());
    void this.attempt('look for limits', () => this.lookForLimits()).then(() => this.look());
  }

  /** One at a time: while the database is away they must not pile up. */
  private async takeOver(): Promise<void> {
    if (this.takingOver) return;
    this.takingOver = true;
    await this.attempt('release dead workers', async () => {
      const released = await this.transactions.read((tx) => this.repository.releaseDeadWorkers(tx));
      if (released === 0) return;
      this.logger.warn(`took over ${released} executions of workers that are gone`);
      this.look();
    });
    this.takingOver = false;
  }

  private async lookForLimits(): Promise<void> {
    const limited = await this.transactions.read((tx) => this.repository.hasLimitedWorkflows(tx));
    this.isLimited = limited || this.settings.ORGANIZATION_CONCURRENCY > 0;
  }

  private async nudgeChanged(): Promise<void> {
    const turns = [...this.turns.values()].flatMap(({ turn }) => (turn ? [turn] : []));
    if (turns.length === 0) return;
    const held = turns.map(({ claim: { id, epoch, nudges, changes } }) => ({ id, epoch, nudges, changes }));
    const changed = new Set(await this.transactions.read((tx) => this.repository.findChanged(tx, held)));
    for (const turn of turns) if (changed.has(turn.claim.id)) turn.nudge();
  }

  /** Claims until nothing is due or no place is free; called as often as anybody likes. */
  private look(): void {
    this.lookAgain = true;
    if (this.places <= 0) this.mayBeMore = true;
    if (this.looking) return;
    this.looking = true;
    void this.attempt('claim', async () => {
      while (this.lookAgain && this.mayClaim()) {
        this.lookAgain = false;
        await this.claim();
      }
    }).finally(() => {
      this.looking = false;
    });
  }

  private mayClaim(): boolean {
    return !this.stopping && this.session?.worker !== undefined && this.places > 0;
  }

  private get places(): number {
    return this.settings.WORKER_CONCURRENCY - this.turns.size - this.reserved;
  }

  private reserve(): number | undefined {
    if (!this.mayClaim() || this.mayBeMore || this.isLimited) return undefined;
    this.reserved += 1;
    return this.session?.worker;
  }

  private takeFresh(claim: FreshClaim & { worker: number | null }, steps: StepRow[]): void {
    this.reserved -= 1;
    // The session may have ended since; then others take the execution over.
    if (this.session?.worker === claim.worker) this.begin(this.timed(claim), steps);
  }

  private async claim(): Promise<void> {
    const worker = this.session?.worker;
    if (worker === undefined) return;
    const { places } = this;
    const lease = this.settings.WORKER_LEASE_SECONDS;
    const { ORGANIZATION_CONCURRENCY: most } = this.settings;
    const claims = this.isLimited
      ? await this.transactions.run((tx) => this.repository.claimWithinLimits(tx, worker, places, lease, most))
      : await this.transactions.read((tx) => this.repository.claimDue(tx, worker, places, lease));
    if (this.session?.worker !== worker) return; // they are under a number that is over; others take them
    for (const claim of claims) this.begin(this.timed(claim), null);
    this.mayBeMore = claims.length === places;
    // Within limits, who may have no more can have filled the list of candidates; the next look leaves them out.
    if (this.mayBeMore || (this.isLimited && claims.length > 0)) this.lookAgain = true;
    else await this.setAlarm();
  }

  /** Delays and retries start on time, not at the next look. */
  private async setAlarm(): Promise<void> {
    const seconds = await this.transactions.read((tx) => this.repository.secondsToNextDue(tx));
    clearTimeout(this.timer);
    // What is due and could not be claimed is being changed by somebody; the next look is soon enough.
    this.alarm = Infinity;
    if (seconds !== null && seconds > 0) this.setAlarmIn(seconds * 1000);
  }

  /** Later moments are found by looking. */
  private setAlarmIn(milliseconds: number): void {
    const at = CHANCE.now() + milliseconds;
    if (milliseconds > LOOK_MS || at >= this.alarm) return;
    clearTimeout(this.timer);
    this.alarm = at;
    this.timer = setTimeout(() => {
      this.alarm = Infinity;
      this.look();
    }, Math.ceil(milliseconds));
  }

  /** An execution that its turn let go of may be due again at once, or before the next look. */
  private async commit(commit: TurnCommit, beside: Beside, claim: Claim): Promise<Receipt | null> {
    const receipt = await this.writer.write(commit, beside, claim);
    if (!receipt || !commit.released || commit.ended) return receipt;
    const moment = commit.wake_at === undefined ? Infinity : Date.parse(commit.wake_at) - CHANCE.now();
    const wait = Math.min((commit.wake_in ?? Infinity) * 1000, moment - (claim.clock_ahead ?? 0));
    this.setAlarmIn(receipt.nudges === commit.nudges ? Math.max(0, wait) : 0);
    return receipt;
  }

  private timed({ database_now, ...claim }: FreshClaim): Claim {
    return { ...claim, clock_ahead: database_now - CHANCE.now() };
  }

  /** @param steps where they are known already */
  private begin(claim: Claim, steps: StepRow[] | null): void {
    const entry: HeldTurn = { claim, turn: undefined, abandoned: false, over: Promise.resolve() };
    const stale = this.turns.get(claim.id); // an older claim of ours, whose lease ran out
    if (stale) abandon(stale);
    this.turns.set(claim.id, entry);
    entry.over = this.takeTurn(claim, entry, steps)
      .catch((error: unknown) => this.giveUp(claim, error))
      .finally(() => {
        if (this.turns.get(claim.id) === entry) this.turns.delete(claim.id);
        if (this.mayBeMore || this.isLimited) this.look();
      });
  }

  /** What the database will never accept ends the execution; anything else may be over soon, and is tried again. */
  private async giveUp(claim: Claim, error: unknown): Promise<void> {
    this.logger.error(`a turn of execution ${claim.id} broke: ${error instanceof Error ? error.stack : String(error)}`);
    if (NEVER_ACCEPTED.test(sqlState(error) ?? '')) await this.attempt('fail', () => this.fail(claim));
    else await this.attempt('hand back', () => this.handBack([claim], BROKEN_TURN_SECONDS));
  }

  private async fail(claim: Claim): Promise<void> {
    const { id: execution_id, epoch } = claim;
    const sight = await this.transactions.read((tx) => this.repository.look(tx, claim));
    if (!sight) return;
    const { nudges, changes, compensable } = sight;
    const message = 'A result could not be stored. The log of the worker says why; the execution cannot go on.';
    const error = { code: 'INTERNAL_ERROR', message };
    const how = compensable
      ? { status: 'compensating' as const, ending: 'failed' as const, ended: false, wake_in: 0 }
      : { status: 'failed' as const, ended: true };
    const type = compensable ? ('execution.compensating' as const) : ('execution.failed' as const);
    const said = { error, events: [{ type, data: error }], steps: [], outside: false, released: true, compensable };
    const commit = { execution_id, epoch, nudges, changes, ...said, ...how };
    await this.commit(commit, { ...new Draft().beside, closing: true }, claim);
  }

  private async takeTurn(claim: Claim, entry: HeldTurn, steps: StepRow[] | null): Promise<void> {
    const state = await this.load(claim, steps);
    const { graph } = state;
    const world: TurnWorld = {
      run: ({ node }, step, signal) => this.runner.run(node, step, claim, signal),
      commit: (commit, beside) => this.commit(commit, beside, claim),
      look: () => this.transactions.read((tx) => this.repository.look(tx, claim)),
      lookOutside: (waiting) => this.outside.look(claim, graph, waiting),
      reload: ({ nudges, changes, compensable }) =>
        this.load({ ...claim, nudges, changes, compensable, snapshot: null }),
    };
    entry.turn = new Turn(state, world, CHANCE.now);
    if (this.stopping) entry.turn.drain();
    if (entry.abandoned) return;
    await entry.turn.take();
  }

  private load(claim: Claim, steps: StepRow[] | null = null): Promise<TurnState> {
    return this.transactions.read(async (tx) => {
      const graph = await this.workflows.graphOf(tx, claim.workflow_id, claim.version, claim.scope);
      if (steps) return new TurnState(claim, graph, steps, CHANCE);
      const snapshot = claim.snapshot?.format === SNAPSHOT_FORMAT && !claim.ending ? claim.snapshot : null;
      if (snapshot) {
        const named = await this.repository.loadNamedSteps(tx, claim.id, snapshot.kept);
        return new TurnState(claim, graph, named, CHANCE, snapshot);
      }
      const outputsOf = claim.ending ? compensableNodes(graph) : [];
      return new TurnState(claim, graph, await this.repository.loadSteps(tx, claim.id, outputsOf), CHANCE);
    });
  }

  private async renew(): Promise<void> {
    const worker = this.session?.worker;
    const ids = [...this.turns.keys()];
    if (worker === undefined || ids.length === 0) return;
    const lease = this.settings.WORKER_LEASE_SECONDS;
    await this.transactions.read((tx) => this.repository.renewLeases(tx, worker, ids, lease));
  }

  private async handBack(held: Claim[], delaySeconds: number): Promise<void> {
    const worker = this.session?.worker;
    if (worker === undefined || held.length === 0) return;
    await this.transactions.read((tx) => this.repository.handBack(tx, worker, held, delaySeconds));
  }

  private abandonAll(): void {
    for (const entry of this.turns.values()) abandon(entry);
  }

  /** What fails here is repeated by the next look; the process must go on. */
  private async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.warn(`could not ${what}: ${String(error)}`);
    }
  }
}

function abandon(entry: HeldTurn): void {
  entry.abandoned = true;
  entry.turn?.abandon();
}
