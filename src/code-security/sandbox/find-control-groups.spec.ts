import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findGroupPlace, type GroupHost } from './find-control-groups.js';

/** Files that look like those of a host. The kernel's own behaviour is not imitated. */
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cgroup-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

function host(ownGroups: string, mounts: string, isRoot = false): GroupHost {
  write({
    'proc/self/cgroup': `${ownGroups}\n`,
    'proc/self/mountinfo': `20 1 0:1 / / rw - ext4 /dev/root rw\n${mounts}\n`,
    // 7 ─► this process ─► 9, and 8 beside them.
    'proc/7/stat': '7 (npm (run)) S 0 7',
    'proc/8/stat': '8 (other) S 0 8',
    'proc/9/stat': `9 (child) S ${process.pid} 9`,
    [`proc/${process.pid}/stat`]: `${process.pid} (node) S 7 7`,
  });
  return { proc: join(folder, 'proc'), isRoot };
}

const version2 = (root = '/') => `30 20 0:2 ${root} ${folder}/v2 rw,nosuid - cgroup2 cgroup2 rw,nsdelegate`;
const version1 = () =>
  ['memory', 'pids'].map((name) => `31 20 0:3 / ${folder}/${name} rw - cgroup cgroup rw,${name}`).join('\n');

function group(path: string, changes: Record<string, string> = {}): void {
  const files = {
    'cgroup.type': 'domain\n',
    'cgroup.controllers': 'cpu memory pids\n',
    'cgroup.procs': `${process.pid}\n`,
    'cgroup.subtree_control': '',
    ...changes,
  };
  write(Object.fromEntries(Object.entries(files).map(([name, text]) => [join('v2', path, name), text])));
}

describe('version 2 of control groups', () => {
  it('is used in a group that was handed to the user of the service', () => {
    group('system.slice/holdpoint.service', { 'cgroup.procs': `7\n${process.pid}\n9\n` });
    const base = join(folder, 'v2/system.slice/holdpoint.service');
    const finding = findGroupPlace(host('0::/system.slice/holdpoint.service', version2()));
    expect(finding).toEqual({ place: { version: 2, memory: base, pids: base } });
  });

  it('is used beside the group that the service was put into, also by root', () => {
    group('unit', { 'cgroup.procs': '' });
    const finding = findGroupPlace(host('0::/unit/holdpoint-service', version2(), true));
    expect(finding).toMatchObject({ place: { memory: join(folder, 'v2/unit') } });
  });

  it.each([
    ['as the container sees it', '0::/', '/'],
    ['as the host sees it', '0::/docker/ab', '/docker/ab'],
  ])('is used by root in the topmost group of a container, %s', (_, own, root) => {
    group('');
    expect(findGroupPlace(host(own, version2(root), true))).toMatchObject({ place: { memory: join(folder, 'v2') } });
  });

  it.each([
    ['root elsewhere, which may write everywhere', '/unit', {}, true, 'Root cannot tell'],
    ['a group without the controllers', '/unit', { 'cgroup.controllers': 'cpu\n' }, false, 'no memory and pids'],
    ['a group shared with others', '/unit', { 'cgroup.procs': `${process.pid}\n8\n` }, false, 'Other processes'],
    ['a group shared with somebody outside', '/unit', { 'cgroup.procs': '0\n' }, false, 'Other processes'],
  ])('is not used by %s', (_, own, changes, isRoot, reason) => {
    group(own, changes);
    expect(findGroupPlace(host(`0::${own}`, version2(), isRoot))).toMatchObject({
      place: null,
      reason: expect.stringContaining(reason) as string,
    });
  });

  it('is not used in the root group of the host, which has no type', () => {
    group('');
    rmSync(join(folder, 'v2/cgroup.type'));
    expect(findGroupPlace(host('0::/', version2(), true))).toMatchObject({ place: null });
  });

  it('is not used where the group is outside of what is mounted', () => {
    group('');
    for (const own of ['0::/../other', '0::/elsewhere']) {
      expect(findGroupPlace(host(own, version2('/docker/ab')))).toMatchObject({ place: null });
    }
  });
});

describe('version 1 of control groups', () => {
  it('is used where memory and pids are mounted, each below the own group', () => {
    write({ 'memory/a:b/tasks': '', 'pids/tasks': '' });
    const finding = findGroupPlace(host('4:memory:/a:b\n3:cpu,pids:/\n0::/', `${version1()}\n${version2()}`));
    expect(finding).toEqual({
      place: { version: 1, memory: join(folder, 'memory/a:b'), pids: join(folder, 'pids') },
    });
  });

  it('is not used where the own group cannot be written', () => {
    const finding = findGroupPlace(host('4:memory:/gone\n3:pids:/', version1()));
    expect(finding).toMatchObject({ place: null, reason: expect.stringContaining('not writable') as string });
  });
});

it('says that there are none, or that they cannot be read, and names nothing of the host', () => {
  expect(findGroupPlace(host('0::/', ''))).toEqual({ place: null, reason: 'No control groups are mounted here.' });
  expect(findGroupPlace({ proc: join(folder, 'nowhere'), isRoot: false })).toEqual({
    place: null,
    reason: 'Control groups cannot be read (ENOENT).',
  });
});
