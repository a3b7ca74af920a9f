import { randomBytes } from 'node:crypto';
import type { Member } from './fleet.js';

interface Person {
  headers: { authorization: string; 'content-type': string };
  workflow: string;
}

/** Longer than any answer takes that still comes: the process may be stopped. */
const ANSWER_MS = 5_000;

/** Between two attempts to start the same execution. */
const RETRY_MS = 50;

/** Starts executions over HTTP, from whichever process answers, and counts those that were acknowledged. */
export class Load {
  readonly acknowledged: string[] = [];
  private person: Person | undefined;
  private turn = 0;
  private readonly avoided = new Set<Member>();

  /** `members` are those to ask at any moment. */
  constructor(private readonly members: () => readonly Member[]) {}

  get workflow(): string {
    return this.known.workflow;
  }

  /** Never asks this one. */
  avoid(member: Member): void {
    this.avoided.add(member);
  }

  /** Signs up somebody who saves this workflow. */
  async prepare(definition: object): Promise<void> {
    const email = `ann-${randomBytes(4).toString('hex')}@test.example`;
    const body = { email, password: randomBytes(12).toString('base64url'), name: 'Ann' };
    const json = { 'content-type': 'application/json' };
    const { access_token } = await this.post<{ access_token: string }>('/api/auth/register', json, body);
    const headers = { ...json, authorization: `Bearer ${access_token}` };
    const { id } = await this.post<{ id: string }>('/api/workflows', headers, { name: 'Chain', definition });
    this.person = { headers, workflow: id };
  }

  /** Starts so many, spread evenly over a time; resolves when the last one is acknowledged. */
  async start(count: number, spreadMs: number): Promise<void> {
    const started = Array.from({ length: count }, async (_, i) => {
      await pause((i * spreadMs) / count);
      await this.startOne();
    });
    await Promise.all(started);
  }

  /** Asks one process after the other until one acknowledges. What an earlier one did without saying so is not counted. */
  private async startOne(): Promise<void> {
    const { headers, workflow } = this.known;
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        const { id } = await this.post<{ id: string }>('/api/executions', headers, { workflow_id: workflow });
        this.acknowledged.push(id);
        return;
      } catch (error) {
        if (Date.now() > deadline) throw new Error('nobody acknowledges a start', { cause: error });
        await pause(RETRY_MS);
      }
    }
  }

  private async post<T>(path: string, headers: Record<string, string>, body: object): Promise<T> {
    const members = this.members().filter((member) => !this.avoided.has(member));
    const member = members[this.turn++ % members.length];
    const signal = AbortSignal.timeout(ANSWER_MS);
    const answer = await fetch(`${member?.url}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      signal,
    });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  private get known(): Person {
    if (!this.person) throw new Error('prepare the load first');
    return this.person;
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
