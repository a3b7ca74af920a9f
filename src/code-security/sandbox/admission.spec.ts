import { Admission, QueueFullError } from './admission.js';

function admission(changes = {}) {
  return new Admission({ maxConcurrency: 2, maxTotalMemoryMb: 1000, maxWaiting: 2, ...changes });
}

describe('Admission', () => {
  it('lets in as many as there are places, the others in order of arrival', async () => {
    const gate = admission();
    const order: string[] = [];
    const [first] = await Promise.all([gate.enter(100), gate.enter(100)]);
    const third = gate.enter(100).then(() => order.push('third'));
    const fourth = gate.enter(100).then(() => order.push('fourth'));
    expect([gate.running, gate.queued]).toEqual([2, 2]);
    first?.();
    await third;
    expect(order).toEqual(['third']);
    expect([gate.running, gate.queued]).toEqual([2, 1]);
    void fourth;
  });

  it('lets in no more memory than there is, and nobody past a large job at the head', async () => {
    const gate = admission();
    const release = await gate.enter(600);
    const large = gate.enter(500);
    const small = gate.enter(100);
    expect([gate.running, gate.queued]).toEqual([1, 2]);
    release?.();
    await Promise.all([large, small]);
    expect([gate.running, gate.queued]).toEqual([2, 0]);
  });

  it('refuses one more than may wait', async () => {
    const gate = admission({ maxConcurrency: 1 });
    await gate.enter(1);
    void gate.enter(1);
    void gate.enter(1);
    await expect(gate.enter(1)).rejects.toThrow(QueueFullError);
  });

  it('forgets who was cancelled while waiting, and lets in who waits behind', async () => {
    const gate = admission();
    const release = await gate.enter(600);
    const cancel = new AbortController();
    const large = gate.enter(500, cancel.signal);
    const small = gate.enter(100);
    cancel.abort();
    expect(await large).toBeNull();
    expect(await small).toBeInstanceOf(Function);
    expect([gate.running, gate.queued]).toEqual([2, 0]);
    release?.();
    expect(gate.running).toBe(1);
  });

  it('lets nobody in who was cancelled before', async () => {
    const gate = admission();
    expect(await gate.enter(1, AbortSignal.abort())).toBeNull();
    expect(gate.running).toBe(0);
  });

  it('says when nothing runs any more', async () => {
    const gate = admission();
    const [first, second] = await Promise.all([gate.enter(1), gate.enter(1)]);
    let idle = false;
    const whenIdle = gate.whenIdle().then(() => (idle = true));
    first?.();
    await Promise.resolve();
    expect(idle).toBe(false);
    second?.();
    await whenIdle;
    expect(idle).toBe(true);
  });
});
