import { SANDBOX_MODES } from '../src/code-security/sandbox/local-driver.js';
import { makeInstallation, registerAt, type ServerProcess } from './spawn-server.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

type Authorization = { Authorization: string };

/** Each by every hostile user twice: what it tries, and how it may end. */
const HOSTILE: [what: string, code: string, statuses: number[]][] = [
  ['a fork bomb', 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass', [408]],
  [
    'an inode flood',
    'n = 0\nwhile True:\n  n += 1\n  try: open(f"/tmp/{n}", "w").close()\n  except OSError: pass',
    [408],
  ],
  ['a memory hog', 'held = []\nwhile True: held.append(bytearray(1 << 20))', [507]],
  ['an output flood', 'import sys\nwhile True: sys.stdout.write("x" * 65536)', [408]],
  ['a busy loop', 'while True: pass', [408]],
];
const HOSTILE_USERS = 2;
const TIMEOUT_SECONDS = 2;

describe.each(SANDBOX_MODES)('twenty hostile jobs at once, in %s sandboxes', (mode) => {
  let database: TestDatabase;
  let installation: ReturnType<typeof makeInstallation>;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    installation = makeInstallation(database.url);
    server = await installation.start({ SANDBOX_MODE: mode, CODE_RATE_LIMIT_PER_MINUTE: '100000' });
  }, 60_000);

  afterAll(async () => {
    await server.end('SIGTERM');
    installation.remove();
    await database.drop();
  });

  const execute = async (person: Authorization, body: object) => {
    const answer = await fetch(`${server.url}/api/security/execute`, {
      method: 'POST',
      headers: { ...person, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as { stdout: string; detail?: string } };
  };

  it('leave liveness under 200 ms at p95, and what others run right', async () => {
    const people = await Promise.all(Array.from({ length: HOSTILE_USERS + 1 }, () => registerAt(server.url)));
    const [honest, ...hostile] = people as [Authorization, ...Authorization[]];
    expect((await execute(honest, { code: 'print("warm")' })).status).toBe(200);

    const over = new AbortController();
    const rage = Promise.all(
      hostile.flatMap((person) =>
        [...HOSTILE, ...HOSTILE].map(async ([what, code, statuses]) => {
          const { status } = await execute(person, { code, timeout: TIMEOUT_SECONDS, max_memory_mb: 128 });
          expect([what, statuses, statuses.includes(status), status]).toEqual([what, statuses, true, status]);
        }),
      ),
    ).finally(() => {
      over.abort();
    });

    const probes: number[] = [];
    const probe = async () => {
      while (!over.signal.aborted) {
        const askedAt = performance.now();
        const answer = await fetch(`${server.url}/health/liveness`);
        probes.push(performance.now() - askedAt);
        expect(answer.status).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    let served = 0;
    const work = async () => {
      while (!over.signal.aborted) {
        const number = Math.random();
        const { status, body } = await execute(honest, { code: 'print(number * 2)', globals: { number } });
        expect([status, body.stdout]).toEqual([200, `${number * 2}\n`]);
        served += 1;
      }
    };
    await Promise.all([rage, probe(), work()]);

    probes.sort((a, b) => a - b);
    expect(probes.length).toBeGreaterThan(50);
    expect(probes[Math.floor(probes.length * 0.95)]).toBeLessThan(200);
    expect(served).toBeGreaterThan(5);
  }, 120_000);
});
