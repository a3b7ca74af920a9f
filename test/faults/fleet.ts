import { makeInstallation, type ServerProcess } from '../spawn-server.js';

export interface Member extends ServerProcess {
  /** The number it last said it works under. A lost session gets it another one. */
  worker(): number;
}

/** Characters of the log of a process that is gone. */
const LAST_WORDS = 3_000;

/** Several processes of the product on one database, any of which may be killed, stopped or replaced. */
export class Fleet {
  readonly members: Member[] = [];
  private readonly installation: ReturnType<typeof makeInstallation>;

  constructor(
    databaseUrl: string,
    private readonly settings: Record<string, string>,
  ) {
    this.installation = makeInstallation(databaseUrl);
  }

  async add(count = 1): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.addOne({})));
  }

  /** One with settings of its own. */
  async addOne(settings: Record<string, string>): Promise<Member> {
    const server = await this.installation.start({ ...this.settings, ...settings });
    const member = { ...server, worker: () => workerNumber(server) };
    this.members.push(member);
    return member;
  }

  /** The process is gone when this is done. */
  async kill(member: Member): Promise<void> {
    this.leave(member);
    await member.end('SIGKILL');
  }

  /** As an orchestrator stops it; answers its exit code. */
  async drain(member: Member): Promise<number | null> {
    this.leave(member);
    return member.end('SIGTERM');
  }

  /** Of those that nobody here ended: the processes that are gone, with the last that they said. */
  get dead(): string[] {
    const gone = this.members.filter(({ pid }) => !isThere(pid));
    return gone.map((member) => `process ${member.pid} is gone: … ${member.output().slice(-LAST_WORDS)}`);
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.end('SIGKILL')));
    this.installation.remove();
  }

  private leave(member: Member): void {
    this.members.splice(this.members.indexOf(member), 1);
  }
}

function workerNumber(server: ServerProcess): number {
  const said = [...server.output().matchAll(/this process is worker number (\d+)/g)].at(-1)?.[1];
  if (said === undefined) throw new Error(`process ${server.pid} does not say its worker number:\n${server.output()}`);
  return Number(said);
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
