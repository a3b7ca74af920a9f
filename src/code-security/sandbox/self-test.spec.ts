import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realDriver } from './real-sandbox.fixture.js';
import { RefusingDriver } from './refusing-driver.js';
import { SandboxBusyError, type SandboxDriver } from './sandbox-driver.js';
import { assembleFilter } from './seccomp/assemble-filter.js';
import { hostArchitecture, type Architecture } from './seccomp/syscall-numbers.js';
import { testSandbox, type SelfTestCheck } from './self-test.js';

const architecture = hostArchitecture() as Architecture;
const open = assembleFilter({ architecture, rules: [], unlisted: 'allow' });

function failed(checks: SelfTestCheck[]): string[] {
  return checks.filter(({ ok }) => !ok).map(({ check }) => check);
}

describe('the self-test', () => {
  it('passes every check on a host with the tools', async () => {
    const checks = await testSandbox(realDriver());
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.map(({ check }) => check)).toEqual([
      'starts',
      'not_host_root',
      'seccomp_active',
      'no_proc',
      'read_only',
      'host_files_hidden',
      'loopback_unreachable',
      'sockets_refused',
      'processes_refused',
      'namespaces_refused',
      'exec_refused',
      'numpy_works',
      'javascript_contained',
      'memory_limited',
      'time_limited',
      'control_groups',
    ]);
  });

  it('finds a first filter that was altered to allow everything', async () => {
    const checks = await testSandbox(realDriver({ filters: { confine: open } }));
    expect(failed(checks)).toEqual(
      expect.arrayContaining(['sockets_refused', 'processes_refused', 'namespaces_refused']),
    );
  });

  it('finds a second filter that was altered to allow exec', async () => {
    const checks = await testSandbox(realDriver({ filters: { seal: open } }));
    expect(failed(checks)).toContain('exec_refused');
  });

  it('finds a filter for launches that was altered to allow every exec', async () => {
    const checks = await testSandbox(realDriver({ filters: { sealForLaunch: open } }));
    expect(failed(checks)).toEqual(['javascript_contained']);
  });

  it.each([
    ['a folder of the host', '--ro-bind /var /var', 'host_files_hidden'],
    ['a file of the host', '--ro-bind /etc/passwd /etc/passwd', 'host_files_hidden'],
    ['a folder beside the interpreter of JavaScript', '--ro-bind /var /opt/var', 'host_files_hidden'],
    ['shared memory of the host', '--dev-bind /dev/shm /dev/shm', 'read_only'],
  ])('finds %s, and does not tell which', async (_, more, check) => {
    const folder = await mkdtemp(join(tmpdir(), 'other-bwrap-'));
    const bwrap = join(folder, 'bwrap');
    await writeFile(bwrap, `#!/bin/sh\nexec /usr/bin/bwrap ${more} "$@"\n`, { mode: 0o755 });
    await chmod(folder, 0o755);
    const checks = await testSandbox(realDriver({ bwrap }));
    expect(failed(checks)).toEqual([check]);
    expect(JSON.stringify(checks)).not.toMatch(/var|passwd/);
    await rm(folder, { recursive: true });
  });

  it('passes where Node does not run, and says that JavaScript is not offered', async () => {
    const checks = await testSandbox(realDriver({ interpreters: { javascript: '/nowhere/node' } }));
    expect(failed(checks)).toEqual([]);
    expect(checks.find(({ check }) => check === 'javascript_contained')?.detail).toBe('JavaScript is not offered here');
  });

  it.each([
    ['bubblewrap', { bwrap: '/nowhere/bwrap' }],
    ['Python', { python: '/nowhere/python3' }],
  ])('says what is missing and how to get it without %s', async (_, options) => {
    expect(await testSandbox(realDriver(options))).toEqual([
      {
        check: 'starts',
        ok: false,
        detail: expect.stringContaining(
          'apt-get install --no-install-recommends bubblewrap python3 python3-numpy',
        ) as string,
      },
    ]);
  });

  it('waits while others have taken all sandboxes, for that says nothing of the walls', async () => {
    const real = realDriver();
    let refused = 0;
    const run: SandboxDriver['run'] = (job) =>
      refused++ < 10 ? Promise.reject(new SandboxBusyError('all are taken', 0.01)) : real.run(job);
    const { name, isolation } = real;
    expect(failed(await testSandbox({ name, isolation, run, close: () => real.close() }))).toEqual([]);
    expect(refused).toBeGreaterThan(10);
  });

  it('fails on a driver that refuses', async () => {
    expect(failed(await testSandbox(new RefusingDriver()))).toEqual(['starts']);
  });
});
