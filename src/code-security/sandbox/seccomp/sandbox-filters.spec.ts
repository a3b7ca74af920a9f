import { createHash } from 'node:crypto';
import { assembleFilter } from './assemble-filter.js';
import { sandboxFilters } from './sandbox-filters.js';
import { syscallNumbers, type Architecture } from './syscall-numbers.js';

const ARCHITECTURES: Architecture[] = ['x86_64', 'aarch64'];
const AUDIT: Record<Architecture, number> = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };
const HIGHEST_NUMBER = 600;

interface Call {
  number: number;
  audit: number;
  args?: bigint[];
}

type Answer = 'allow' | 'kill' | 'ask' | number;

/** What a kernel would do: struct seccomp_data laid out in memory and the classic BPF machine over it. */
function interpret(filter: Buffer, call: Call): Answer {
  const data = Buffer.alloc(64);
  data.writeInt32LE(call.number | 0, 0);
  data.writeUInt32LE(call.audit, 4);
  (call.args ?? []).forEach((value, index) => data.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + 8 * index));
  let accumulator = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const operand = filter.readUInt32LE(at + 4);
    switch (filter.readUInt16LE(at)) {
      case 0x20:
        accumulator = data.readUInt32LE(operand);
        break;
      case 0x54:
        accumulator = (accumulator & operand) >>> 0;
        break;
      case 0x15:
        at += 8 * filter.readUInt8(at + (accumulator === operand ? 2 : 3));
        break;
      case 0x35:
        at += 8 * filter.readUInt8(at + (accumulator >= operand ? 2 : 3));
        break;
      case 0x06:
        return answerOf(operand);
      default:
        throw new Error(`Unknown instruction ${filter.readUInt16LE(at).toString(16)}`);
    }
  }
  throw new Error('The filter ran off its end.');
}

function answerOf(value: number): Answer {
  if (value === 0x7fff0000) return 'allow';
  if (value === 0x80000000) return 'kill';
  if (value === 0x7fc00000) return 'ask';
  if (value >>> 16 === 5) return value & 0xffff;
  throw new Error(`Unknown answer ${value.toString(16)}`);
}

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Never for user code. Written out here, apart from the lists of the filter, so that a slip there is seen. */
const DANGEROUS = `
  execve execveat fork vfork ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_open pidfd_getfd
  pidfd_send_signal mount umount2 move_mount mount_setattr open_tree fsopen fsmount fsconfig fspick pivot_root chroot
  unshare setns bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key
  request_key kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff syslog acct
  quotactl name_to_handle_at open_by_handle_at lookup_dcookie fanotify_init personality modify_ldt iopl ioperm
  setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset sethostname setdomainname
  settimeofday clock_settime clock_adjtime adjtimex mknod mknodat memfd_create memfd_secret shmget shmat msgget mq_open
  semget connect bind listen accept accept4 sendmsg recvmsg sendmmsg recvmmsg setsockopt getsockopt seccomp
  sched_setscheduler sched_setaffinity sched_setattr setpriority mlock mlockall vmsplice landlock_create_ruleset
  rt_sigqueueinfo rt_tgsigqueueinfo
`
  .trim()
  .split(/\s+/);

const START_UP_ONLY = ['execve', 'execveat', 'mount', 'capset', 'setpriority', 'seccomp'];

/** What both filters together answer: the kernel takes the strictest. */
function sealedAnswer(architecture: Architecture, name: string, args: bigint[] = []): Answer {
  const { confine, seal } = sandboxFilters(architecture);
  const number = syscallNumbers[architecture][name];
  if (number === undefined) throw new Error(`${architecture} has no ${name}`);
  const answers = [confine, seal].map((filter) => interpret(filter, { number, audit: AUDIT[architecture], args }));
  return answers.find((answer) => answer !== 'allow') ?? 'allow';
}

/** [call, arguments, what both filters answer] */
const BY_ARGUMENT: [name: string, args: bigint[], answer: Answer, why: string][] = [
  ['clone', [0x3d0f00n], 'allow', 'the flags of pthread_create'],
  ['clone', [17n], EPERM, 'fork, which is SIGCHLD alone'],
  ['clone', [0x4100n | 17n], EPERM, 'vfork'],
  ['clone', [0x10000n | 0x10000000n], EPERM, 'a thread in a new user namespace'],
  ['clone', [0x10000n | 0x40000000n], EPERM, 'a thread in a new network namespace'],
  ['clone', [0x3d0b00n], EPERM, 'a thread with descriptors of its own'],
  ['close_range', [3n, 9n, 0n], 'allow', 'closing'],
  ['close_range', [3n, 9n, 4n], 'allow', 'closing at an exec'],
  ['close_range', [3n, 9n, 2n], EPERM, 'CLOSE_RANGE_UNSHARE'],
  ['close_range', [3n, 9n, 6n], EPERM, 'CLOSE_RANGE_UNSHARE among others'],
  ['clone3', [0n], ENOSYS, 'its flags cannot be read'],
  ['socket', [2n, 1n], EAFNOSUPPORT, 'TCP'],
  ['socket', [1n, 1n], EAFNOSUPPORT, 'UNIX'],
  ['socket', [16n, 3n], EAFNOSUPPORT, 'netlink'],
  ['socketpair', [1n, 1n], 'allow', 'what asyncio wakes itself with'],
  ['socketpair', [2n, 1n], EAFNOSUPPORT, 'not of UNIX'],
  ['sendto', [3n, 0n, 0n, 0n, 0n, 0n], 'allow', 'without an address'],
  ['sendto', [3n, 0n, 0n, 0n, 0x7fffn, 16n], EPERM, 'with an address'],
  ['sendto', [3n, 0n, 0n, 0n, 0x7f0000000000n, 16n], EPERM, 'with an address whose low half is zero'],
  ['ioctl', [0n, 0x5401n], 'allow', 'isatty'],
  ['ioctl', [0n, 0x5421n], 'allow', 'non-blocking'],
  ['ioctl', [0n, 0xc0502100n], 'allow', 'a question to the listener of a filter, which user code cannot have'],
  ['ioctl', [0n, 0xc0182101n], 'allow', 'the answer to it'],
  ['ioctl', [0n, 0x40182103n], EPERM, 'SECCOMP_IOCTL_NOTIF_ADDFD'],
  ['ioctl', [0n, 0x5412n], EPERM, 'TIOCSTI'],
  ['ioctl', [0n, 0xffff_ffff_0000_5412n], EPERM, 'TIOCSTI with high bits, which the kernel ignores'],
  ['ioctl', [0n, 0x541cn], EPERM, 'TIOCLINUX'],
  ['fcntl', [0n, 1030n], 'allow', 'dup with close-on-exec'],
  ['fcntl', [0n, 5n], 'allow', 'F_GETLK'],
  ['fcntl', [0n, 6n], 0, 'F_SETLK, which is told to have worked'],
  ['fcntl', [0n, 7n], 0, 'F_SETLKW'],
  ['flock', [0n, 2n], 0, 'LOCK_EX, which is told to have worked'],
  ['fcntl', [0n, 37n], EPERM, 'F_OFD_SETLK'],
  ['fcntl', [0n, 8n], EPERM, 'F_SETOWN'],
  ['fcntl', [0n, 1031n], EPERM, 'F_SETPIPE_SZ'],
  ['prctl', [15n], 'allow', 'name of a thread'],
  ['prctl', [22n, 2n], EPERM, 'PR_SET_SECCOMP'],
  ['prctl', [4n, 0n], EPERM, 'PR_SET_DUMPABLE'],
  ['prctl', [1n, 0n], EPERM, 'PR_SET_PDEATHSIG'],
  ['prctl', [47n, 2n], EPERM, 'PR_CAP_AMBIENT'],
  ['prlimit64', [0n], 'allow', 'own limits'],
  ['prlimit64', [1n], EPERM, 'limits of another process'],
];

describe.each(ARCHITECTURES)('the system call filters for %s', (architecture) => {
  const audit = AUDIT[architecture];
  const numbers = syscallNumbers[architecture];
  const { confine, seal, sealForLaunch } = sandboxFilters(architecture);
  const ask = (filter: Buffer, number: number, args: bigint[] = []) => interpret(filter, { number, audit, args });

  it.each(DANGEROUS.filter((name) => numbers[name] !== undefined))('refuse %s with EPERM', (name) => {
    expect(sealedAnswer(architecture, name)).toBe(EPERM);
  });

  it.each(BY_ARGUMENT)('answer %s %s with %s: %s', (name, args, answer) => {
    expect(sealedAnswer(architecture, name, args)).toBe(answer);
  });

  it('allow what only starting up needs until the seal, and not after it', () => {
    for (const name of START_UP_ONLY) {
      expect([name, ask(confine, numbers[name] as number)]).toEqual([name, 'allow']);
      expect([name, ask(seal, numbers[name] as number)]).toEqual([name, EPERM]);
    }
  });

  it('let a zygote make processes in new namespaces and sessions, and nothing else that confine refuses', () => {
    const { zygote } = sandboxFilters(architecture);
    const calls = Array.from({ length: HIGHEST_NUMBER }, (_, number) => number);
    const forks = [[17n], [0x7e020011n], [0x3d0f00n]];
    const differing = calls.filter((number) =>
      [[], ...forks].some((args) => ask(zygote, number, args) !== ask(confine, number, args)),
    );
    expect(differing).toEqual([numbers['clone'], numbers['setsid']].toSorted((a = 0, b = 0) => a - b));
    for (const args of forks) expect(ask(zygote, numbers['clone'] as number, args)).toBe('allow');
    expect(ask(zygote, numbers['clone3'] as number)).toBe(ENOSYS);
    expect(interpret(zygote, { number: 1, audit: 0x40000003 })).toBe('kill');
  });

  it('take nothing else back with the seal', () => {
    const refused = Array.from({ length: HIGHEST_NUMBER }, (_, number) => number).filter(
      (number) => ask(seal, number) !== 'allow',
    );
    expect(refused).toEqual(START_UP_ONLY.map((name) => numbers[name] as number).toSorted((a, b) => a - b));
  });

  it('differ in the seal for a launch in execve alone, which asks', () => {
    for (let number = 0; number < HIGHEST_NUMBER; number++) {
      const answer = number === numbers['execve'] ? 'ask' : ask(seal, number);
      expect([number, ask(sealForLaunch, number)]).toEqual([number, answer]);
    }
  });

  it('answer every number without a name with ENOSYS', () => {
    const named = new Set(Object.values(numbers));
    for (let number = -1; number < HIGHEST_NUMBER; number++) {
      if (named.has(number) || (architecture === 'x86_64' && number < 0)) continue;
      expect([number, ask(confine, number)]).toEqual([number, ENOSYS]);
    }
  });

  it('answer every name but flock with permission or one of three errors, never by killing', () => {
    for (const [name, number] of Object.entries(numbers)) {
      const answers = name === 'flock' ? [0] : ['allow', EPERM, ENOSYS, EAFNOSUPPORT];
      expect([name, answers.includes(ask(confine, number as number))]).toEqual([name, true]);
    }
  });

  it('kill calls of another architecture, of i386 and of none', () => {
    const others = [
      ...ARCHITECTURES.filter((other) => other !== architecture).map((other) => AUDIT[other]),
      0x40000003,
      0,
    ];
    for (const other of others) {
      for (const filter of [confine, seal, sealForLaunch]) {
        for (const number of [0, 1, numbers['getpid'] as number, 9999]) {
          expect(interpret(filter, { number, audit: other })).toBe('kill');
        }
      }
    }
  });

  it('come out the same every time, in whole instructions, shorter than the kernel takes', () => {
    const { zygote } = sandboxFilters(architecture);
    for (const filter of [confine, seal, sealForLaunch, zygote]) {
      expect(filter.length % 8).toBe(0);
      expect(filter.length / 8).toBeLessThan(4096);
    }
    expect(sandboxFilters(architecture)).toEqual({ confine, seal, sealForLaunch, zygote });
  });
});

describe('the system call filters', () => {
  it('kill x32 calls on x86_64, whatever their number', () => {
    for (const filter of Object.values(sandboxFilters('x86_64')) as Buffer[]) {
      for (const number of [0x40000000, 0x40000000 + 39, 0x7fffffff, -1]) {
        expect(interpret(filter, { number, audit: AUDIT.x86_64 })).toBe('kill');
      }
    }
  });

  it('are the reviewed bytes: a change of a rule changes these sums knowingly', () => {
    const sums = ARCHITECTURES.flatMap((architecture) => {
      const { confine, seal, sealForLaunch, zygote } = sandboxFilters(architecture);
      return [confine, seal, sealForLaunch, zygote].map((bytes) =>
        createHash('sha256').update(bytes).digest('hex').slice(0, 16),
      );
    });
    expect(sums).toEqual([
      '1a7d04a6b56f0bce',
      '87fec2be64ded175',
      '4ffce5a5fc3fd1cb',
      '3c68109d4859c517',
      '3ff9917368cae44d',
      'c4fd2da83a9231d7',
      'fccc10cd446d19f0',
      'e7db521b84478e85',
    ]);
  });
});

describe('assembleFilter', () => {
  const rules = [{ number: 1, action: 'allow' as const }];

  it('writes struct sock_filter as <linux/filter.h> lays it out', () => {
    const bytes = assembleFilter({ architecture: 'aarch64', rules, unlisted: { errno: 38 } });
    expect(bytes.toString('hex').match(/.{16}/g)).toEqual([
      '2000000004000000', // load arch
      '15000100b70000c0', // is it aarch64?
      '0600000000000080', // kill
      '2000000000000000', // load number
      '1500000101000000', // is it 1?
      '060000000000ff7f', // allow
      '0600000026000500', // errno 38
    ]);
  });

  it('refuses two rules for one call', () => {
    const twice = [...rules, ...rules];
    expect(() => assembleFilter({ architecture: 'x86_64', rules: twice, unlisted: 'kill' })).toThrow('two rules');
  });

  it('refuses a jump over more than 255 instructions', () => {
    const oneOf = Array.from({ length: 200 }, (_, value) => value);
    const long = [{ number: 1, action: 'allow' as const, when: { argument: 0, oneOf } }];
    expect(() => assembleFilter({ architecture: 'x86_64', rules: long, unlisted: 'kill' })).toThrow('out of range');
  });
});
