import { realDriver } from './real-sandbox.fixture.js';
import { RefusingDriver } from './refusing-driver.js';
import { assembleFilter } from './seccomp/assemble-filter.js';
import { sandboxFilters } from './seccomp/sandbox-filters.js';
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
      'memory_limited',
      'time_limited',
    ]);
  });

  it('finds a first filter that was altered to allow everything', async () => {
    const { seal } = sandboxFilters(architecture);
    const checks = await testSandbox(realDriver({ filters: { confine: open, seal } }));
    expect(failed(checks)).toEqual(
      expect.arrayContaining(['sockets_refused', 'processes_refused', 'namespaces_refused']),
    );
  });

  it('finds a second filter that was altered to allow exec', async () => {
    const { confine } = sandboxFilters(architecture);
    const checks = await testSandbox(realDriver({ filters: { confine, seal: open } }));
    expect(failed(checks)).toContain('exec_refused');
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

  it('fails on a driver that refuses', async () => {
    expect(failed(await testSandbox(new RefusingDriver()))).toEqual(['starts']);
  });
});
