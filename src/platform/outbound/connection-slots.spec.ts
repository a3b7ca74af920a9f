import { ConnectionSlots } from './connection-slots.js';

const NEVER = new AbortController().signal;

/** Work that runs until it is told to end, and keeps a record of who started. */
function workplace(slots: ConnectionSlots) {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const begin = (name: string, signal = NEVER) =>
    slots.run(name.charAt(0), signal, () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  const end = async (name: string) => {
    ends.get(name)?.();
    await settled();
  };
  return { started, begin, end };
}

/** After everything that is settled has been acted upon. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('connection slots', () => {
  it('let so many run in all and so many to one origin, and the rest in their order', async () => {
    const { started, begin, end } = workplace(new ConnectionSlots(3, 2));
    const all = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((name) => begin(name));
    await settled();
    expect(started).toEqual(['a1', 'a2', 'b1']);
    await end('b1');
    expect(started).toEqual(['a1', 'a2', 'b1', 'b2']);
    await end('a1');
    expect(started.slice(4)).toEqual(['a3']);
    await end('a2');
    expect(started.slice(5)).toEqual(['c1']);
    for (const name of ['a3', 'b2', 'c1']) await end(name);
    await Promise.all(all);
  });

  it('give a slot back when the work fails', async () => {
    const slots = new ConnectionSlots(1, 1);
    await expect(slots.run('a', NEVER, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(slots.run('a', NEVER, () => Promise.resolve('next'))).resolves.toBe('next');
  });

  it('let go of who gives up waiting, and of nobody else', async () => {
    const { started, begin, end } = workplace(new ConnectionSlots(1, 1));
    const patience = new AbortController();
    const first = begin('a1');
    const second = begin('a2', patience.signal);
    const third = begin('a3');
    patience.abort(new Error('too long'));
    await expect(second).rejects.toThrow('too long');
    await end('a1');
    expect(started).toEqual(['a1', 'a3']);
    await end('a3');
    await Promise.all([first, third]);
  });

  it('run nothing for a signal that has come already', async () => {
    const { started, begin } = workplace(new ConnectionSlots(1, 1));
    await expect(begin('a1', AbortSignal.abort(new Error('over')))).rejects.toThrow('over');
    expect(started).toEqual([]);
  });
});
