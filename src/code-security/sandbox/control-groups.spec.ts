import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findControlGroups, type ControlGroup } from './control-groups.js';
import { SERVICE_GROUP, type GroupHost } from './find-control-groups.js';

/**
 * Version 2, in a folder that looks like a group handed to the service: what is written where. What the kernel does with
 * it is not imitated, except that a test removes files as the kernel would. The real thing is in the sandbox spec.
 */
let folder: string;
let host: GroupHost;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cgroup-'));
  const proc = join(folder, 'proc');
  mkdirSync(join(proc, 'self'), { recursive: true });
  mkdirSync(join(proc, String(process.pid)));
  mkdirSync(join(folder, 'own'));
  const files = {
    'proc/self/cgroup': '0::/own\n',
    'proc/self/mountinfo': `30 20 0:2 / ${folder} rw - cgroup2 cgroup2 rw\n`,
    [`proc/${process.pid}/stat`]: `${process.pid} (node) S 0 0`,
    'own/cgroup.type': 'domain\n',
    'own/cgroup.controllers': 'memory pids\n',
    'own/cgroup.procs': `${process.pid}\n`,
    'own/cgroup.subtree_control': '',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  host = { proc, isRoot: false };
});

afterEach(() => rmSync(folder, { recursive: true }));

const read = (...path: string[]) => readFileSync(join(folder, 'own', ...path), 'utf8');
const homes = () => readdirSync(join(folder, 'own')).filter((name) => /^holdpoint-\d+-/.test(name));

function create(): { group: ControlGroup; path: string } {
  const { groups } = findControlGroups(host);
  const group = groups?.create();
  if (!group) throw new Error('No group was made.');
  return { group, path: join(homes()[0] as string, '1') };
}

describe('control groups (version 2)', () => {
  it('moves the service aside before it hands controllers on, to the folder of its groups too', () => {
    const { detail } = findControlGroups(host);
    expect(detail).toBe('Control groups (version 2) limit each job.');
    expect(read(SERVICE_GROUP, 'cgroup.procs')).toBe(String(process.pid));
    expect(read('cgroup.subtree_control')).toBe('+memory +pids');
    expect(read(homes()[0] as string, 'cgroup.subtree_control')).toBe('+memory +pids');
  });

  it('limits memory to what the job may have and a full /tmp, without swap, and processes', async () => {
    const { group, path } = create();
    await group.add([12]);
    group.limit({ memoryMb: 128 });
    expect(read(path, 'cgroup.procs')).toBe('12');
    expect(read(path, 'memory.max')).toBe(String((128 + 64 + 8) << 20));
    expect(read(path, 'memory.swap.max')).toBe('0');
    expect(read(path, 'pids.max')).toBe('64');
  });

  it('reads kills by the kernel and the peak, and neither where the kernel tells none', () => {
    const { group, path } = create();
    expect([group.outOfMemory(), group.peakMb()]).toEqual([false, 0]);
    writeFileSync(join(folder, 'own', path, 'memory.events'), 'low 0\noom 4\noom_kill 0\noom_group_kill 3\n');
    writeFileSync(join(folder, 'own', path, 'memory.peak'), String(3 << 19));
    expect([group.outOfMemory(), group.peakMb()]).toEqual([false, 1.5]);
    writeFileSync(join(folder, 'own', path, 'memory.events'), 'low 0\noom 4\noom_kill 1\n');
    expect(group.outOfMemory()).toBe(true);
  });

  it('kills what is left in a group, and removes it once that is gone', async () => {
    const { group, path } = create();
    const file = join(folder, 'own', path, 'cgroup.kill');
    writeFileSync(file, '');
    const removed = group.remove();
    expect(read(path, 'cgroup.kill')).toBe('1');
    rmSync(file);
    await removed;
    expect(existsSync(join(folder, 'own', path))).toBe(false);
  });

  it('sweeps away the empty groups of services that have ended, and nothing else', () => {
    const kept = [`holdpoint-${process.pid}-0123abcd`, 'holdpoint-999-other', 'another'];
    for (const name of [
      ...kept,
      'holdpoint-999-0123abcd/1',
      'holdpoint-999-0123abcd/2',
      'holdpoint-998-0123abcd/1/busy',
    ]) {
      mkdirSync(join(folder, 'own', name), { recursive: true });
    }
    findControlGroups(host);
    const names = readdirSync(join(folder, 'own'));
    expect(names).toEqual(expect.arrayContaining([...kept, 'holdpoint-998-0123abcd']));
    expect(names).not.toContain('holdpoint-999-0123abcd');
  });

  it('says so when the host refuses a group after all', () => {
    mkdirSync(join(folder, 'own', SERVICE_GROUP, 'cgroup.procs'), { recursive: true });
    expect(findControlGroups(host)).toEqual({ groups: null, detail: 'No control group could be made (EISDIR).' });
  });
});
