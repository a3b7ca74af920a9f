import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { sqlState, Transactions } from '../platform/database/transactions.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import { NodeRunner } from './node-runner.js';
import { Turn } from './turn.js';
import { TurnState } from './turn-state.js';
import { type Claim, TurnRepository } from './turn.repository.js';
import { TurnWriter } from './turn-writer.js';
import { WakeUps } from './wake-ups.js';
import { WorkerSession } from './worker-session.js';

/** How often the table is looked at when nobody calls, and dead workers are looked for. */
const LOOK_MS = 1_000;

/** Cardinality, data, integrity and program limits (PostgreSQL, appendix A): the same statement fails again. */
const NEVER_ACCEPTED = /^(21|22|23|54)/;

/** A turn that broke on our side is due again after this, so that it does not spin. */
const BROKEN_TURN_SECONDS = 5;

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
  private lookAgain = false;
  private timer: NodeJS.Timeout | undefined;
  private intervals: NodeJS.Timeout[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: TurnRepository,
    private readonly workflows: WorkflowsService,
    private readonly wakeUps: WakeUps,
    private readonly runner: NodeRunner,
    private readonly writer: TurnWriter,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.settings.HOLDPOINT_ROLES.includes('worker')) return;
    this.wakeUps.listen((ids) => this.woken(ids));
    this.session = new WorkerSession(this.settings.DATABASE_URL, {
      lost: () => this.abandonAll(),
      regained: () => this.look(),
      woken: (ids) => this.wakeUps.arrived(ids),
    });
    await this.session.open();
    const renewMs = (this.settings.WORKER_LEASE_SECONDS * 1000) / 3;
    this.intervals = [
      setInterval(() => this.watch(), LOOK_MS),
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
    void this.attempt('release dead workers', async () => {
      const released = await this.transactions.read((tx) => this.repository.releaseDeadWorkers(tx));
      if (released > 0) this.logger.warn(`took over ${released} executions of workers that are gone`);
    }).then(() => this.look());
  }

  private async nudgeChanged(): Promise<void> {
    const turns = [...this.turns.values()].flatMap(({ turn }) => (turn ? [turn] : []));
    if (turns.length === 0) return;
    const held = turns.map(({ claim: { id, epoch, nudges } }) => ({ id, epoch, nudges }));
    const changed = new Set(await this.transactions.read((tx) => this.repository.findChanged(tx, held)));
    for (const turn of turns) if (changed.has(turn.claim.id)) turn.nudge();
  }

  /** Claims until nothing is due or no place is free; called as often as anybody likes. */
  private look(): void {
    this.lookAgain = true;
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
    return !this.stopping && this.session?.worker !== undefined && this.turns.size < this.settings.WORKER_CONCURRENCY;
  }

  private async claim(): Promise<void> {
    const worker = this.session?.worker;
    if (worker === undefined) return;
    const places = this.settings.WORKER_CONCURRENCY - this.turns.size;
    const lease = this.settings.WORKER_LEASE_SECONDS;
    const claims = await this.transactions.read((tx) => this.repository.claimDue(tx, worker, places, lease));
    for (const claim of claims) this.begin(claim);
    if (claims.length === places) this.lookAgain = true;
    else await this.setAlarm();
  }

  /** Delays and retries start on time, not at the next look. */
  private async setAlarm(): Promise<void> {
    const seconds = await this.transactions.read((tx) => this.repository.secondsToNextDue(tx));
    clearTimeout(this.timer);
    // What is due and could not be claimed is being changed by somebody; the next look is soon enough.
    if (seconds === null || seconds <= 0 || seconds * 1000 > LOOK_MS) return;
    this.timer = setTimeout(() => this.look(), Math.ceil(seconds * 1000));
  }

  private begin(claim: Claim): void {
    const entry: HeldTurn = { claim, turn: undefined, abandoned: false, over: Promise.resolve() };
    const stale = this.turns.get(claim.id); // an older claim of ours, whose lease ran out
    if (stale) abandon(stale);
    this.turns.set(claim.id, entry);
    entry.over = this.takeTurn(claim, entry)
      .catch((error: unknown) => this.giveUp(claim, error))
      .finally(() => {
        if (this.turns.get(claim.id) === entry) this.turns.delete(claim.id);
        this.look();
      });
  }

  /** What the database will never accept ends the execution; anything else may be over soon, and is tried again. */
  private async giveUp(claim: Claim, error: unknown): Promise<void> {
    this.logger.error(`a turn of execution ${claim.id} broke: ${error instanceof Error ? error.stack : String(error)}`);
    if (NEVER_ACCEPTED.test(sqlState(error) ?? '')) await this.attempt('fail', () => this.fail(claim));
    else await this.attempt('hand back', () => this.handBack([claim], BROKEN_TURN_SECONDS));
  }

  private async fail({ id: execution_id, epoch, nudges }: Claim): Promise<void> {
    const message = 'A result could not be stored. The log of the worker says why; the execution cannot go on.';
    const failure = { code: 'INTERNAL_ERROR', message };
    const events = [{ type: 'execution.failed' as const, data: failure }];
    const end = { status: 'failed' as const, released: true, ended: true, error: failure, steps: [], events };
    await this.writer.write({ execution_id, epoch, nudges, ...end }, []);
  }

  private async takeTurn(claim: Claim, entry: HeldTurn): Promise<void> {
    const [graph, rows] = await this.transactions.read((tx) =>
      Promise.all([
        this.workflows.graphOf(tx, claim.workflow_id, claim.version),
        this.repository.loadSteps(tx, claim.id),
      ]),
    );
    const state = new TurnState(claim, graph, rows, () => performance.now(), Math.random);
    entry.turn = new Turn(state, {
      run: (begun, step, signal) => this.runner.run(begun, step, signal),
      commit: (commit, parked) => this.writer.write(commit, parked),
      reload: (of, open) => this.transactions.read((tx) => this.repository.reload(tx, of, open)),
    });
    if (this.stopping) entry.turn.drain();
    if (entry.abandoned) return;
    await entry.turn.take();
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
