import pg from 'pg';
import { CHAIN, chainDefinition, isLinked } from './chain-workflow.js';
import { checkChain, checkHistory } from './check-history.js';
import { type Claim, ClaimWatch } from './claim-watch.js';
import { type EffectsServer, startEffectsServer } from './effects-server.js';
import { Fleet, type Member } from './fleet.js';
import { Load } from './load.js';

/** Something that may make steps run again: those that were in flight at that time in executions held by whom it hit. */
interface Fault {
  from: number;
  to: number;
  /** The executions that it hit; undefined when it may be any, and more than once. */
  held?: ReadonlySet<string>;
}

/** A call that a process made before it died may be seen so much later. */
const ON_THE_WAY_MS = 250;

/** Processes of the product under load, and everything that is needed to say afterwards that nothing went wrong. */
export class FaultRun {
  readonly fleet: Fleet;
  readonly load: Load;
  readonly watch: ClaimWatch;
  private readonly faults: Fault[] = [];

  private constructor(
    private readonly url: string,
    private readonly effects: EffectsServer,
    settings: Record<string, string>,
  ) {
    this.fleet = new Fleet(url, settings);
    this.watch = new ClaimWatch(url);
    this.load = new Load(() => this.fleet.members);
  }

  static async open(url: string, processes: number, settings: Record<string, string> = {}): Promise<FaultRun> {
    const effects = await startEffectsServer();
    const run = new FaultRun(url, effects, {
      HOLDPOINT_ROLES: 'api,worker',
      SANDBOX_DRIVER: 'none',
      DATABASE_POOL_SIZE: '6',
      OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8',
      ...settings,
    });
    await run.fleet.add(processes);
    await run.load.prepare(chainDefinition(effects.url));
    run.watch.start();
    return run;
  }

  async close(): Promise<void> {
    await this.watch.stop();
    await this.fleet.close();
    this.effects.close();
  }

  /** Kills it, and answers after how many milliseconds each execution that it held was held by another. */
  async kill(member: Member): Promise<number[]> {
    const worker = member.worker();
    const before = this.watch.heldBy(worker);
    const gone = this.fleet.kill(member);
    const from = Date.now();
    await gone;
    return this.takeovers(worker, before, { from, to: from });
  }

  /** Stops it in the middle of whatever it does, as a paused virtual machine is; answers as `kill`. */
  async stop(member: Member): Promise<number[]> {
    const worker = member.worker();
    const before = this.watch.heldBy(worker);
    process.kill(member.pid, 'SIGSTOP');
    const from = Date.now();
    return this.takeovers(worker, before, { from, to: Infinity });
  }

  goOn(member: Member): void {
    process.kill(member.pid, 'SIGCONT');
    for (const fault of this.faults) fault.to = Math.min(fault.to, Date.now());
  }

  /** Something that hits all processes. */
  async disturb(fault: () => Promise<unknown>): Promise<void> {
    const from = Date.now();
    await fault();
    this.faults.push({ from, to: Date.now() });
  }

  /** Until the run has written so many more events. */
  async goesOnFor(events: number): Promise<void> {
    const target = this.watch.progress + events;
    await this.watch.until(`${events} more events`, () => this.watch.progress >= target);
  }

  /** Until every execution that is there has ended, also those whose start nobody acknowledged. */
  async allEnd(): Promise<void> {
    const count = this.load.acknowledged.length;
    await this.watch.until('the end of all', () => this.watch.count >= count && this.watch.open.length === 0);
  }

  /** Everything that is wrong with what the run has left behind once all have ended. */
  async breaches(): Promise<string[]> {
    return [
      ...(await checkHistory(this.url)),
      ...(await checkChain(this.url, this.load.workflow, CHAIN, isLinked)),
      ...this.watch.breaches,
      ...(await this.lostStarts()),
      ...(await this.wrongEffects()),
    ];
  }

  private async takeovers(worker: number, before: Claim[], fault: Fault): Promise<number[]> {
    const held = new Map(before.map((claim) => [claim.id, claim]));
    await this.watch.nextLook();
    for (const claim of this.watch.heldBy(worker)) held.set(claim.id, claim);
    this.faults.push({ ...fault, held: new Set(held.keys()) });
    const claims = [...held.values()];
    const settled = (claim: Claim) => this.watch.takenOver(claim) !== undefined || this.watch.wasLetGo(claim);
    await this.watch.until(`somebody to take over from worker ${worker}`, () => claims.every(settled), 20);
    return claims.flatMap((claim) => {
      const since = this.watch.takenOver(claim);
      return since === undefined ? [] : [since - fault.from];
    });
  }

  private async lostStarts(): Promise<string[]> {
    const rows = await this.query<{ id: string }>(
      `select id from unnest($1::uuid[]) as id where id not in (select id from executions where status = 'completed')`,
      [this.load.acknowledged],
    );
    return rows.map(({ id }) => `execution ${id} was acknowledged and is not completed`);
  }

  /** Each step calls once, and again only for a fault that hit it between its call and its recorded end. */
  private async wrongEffects(): Promise<string[]> {
    const ends = await this.query<{ execution_id: string; key: string; at: number }>(
      `select execution_id, execution_id || ':' || node_id || ':' || iteration as key,
              extract(epoch from occurred_at)::float8 * 1000 as at
       from execution_events where type = 'step.completed'`,
    );
    return ends.flatMap(({ execution_id, key, at }) => {
      const [first, ...more] = this.effects.calls.get(key) ?? [];
      if (first === undefined) return [`step ${key} ended without having called`];
      const inFlight = this.faults.filter(
        ({ from, to, held }) => first <= to + ON_THE_WAY_MS && from <= at && (held?.has(execution_id) ?? true),
      );
      const allowed = inFlight.some(({ held }) => held === undefined) ? Infinity : inFlight.length;
      return more.length > allowed ? [`step ${key} called ${more.length + 1} times`] : [];
    });
  }

  private async query<T extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<T[]> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<T>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }
}
