import { assembleFilter, type Action, type SyscallRule } from './assemble-filter.js';
import { syscallNumbers, type Architecture } from './syscall-numbers.js';

export interface SandboxFilters {
  /** Set by bubblewrap before Python starts: an allow-list for user code and for what the runner does before it. */
  confine: Buffer;
  /** Set by the runner just before user code: takes back what only starting up needed. */
  seal: Buffer;
  /** In its place when the runner becomes another interpreter: that one execve is asked for, and no later one can be. */
  sealForLaunch: Buffer;
  /** Set by bubblewrap before a zygote starts: `confine`, and making processes in any namespaces and sessions. Its children set both. */
  zygote: Buffer;
}

const EPERM = { errno: 1 } as const;
const ENOSYS = { errno: 38 } as const;
const EAFNOSUPPORT = { errno: 97 } as const;

/** Python, NumPy, threads, files below /tmp and timers: nothing that names another process, a network or a mount. */
const ALLOWED = `
  read write readv writev pread64 pwrite64 preadv pwritev lseek sendfile copy_file_range splice
  open openat close dup dup2 dup3 pipe pipe2
  stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 getdents64 readlink readlinkat
  mkdir mkdirat rmdir rename renameat renameat2 unlink unlinkat link linkat symlink symlinkat
  chmod fchmod fchmodat truncate ftruncate fallocate fadvise64 fsync fdatasync msync
  utime utimes utimensat futimesat umask getcwd chdir fchdir
  poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
  eventfd2 timerfd_create timerfd_settime timerfd_gettime recvfrom
  mmap munmap mprotect mremap madvise mincore brk membarrier
  futex set_robust_list get_robust_list set_tid_address rseq arch_prctl restart_syscall
  sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
  getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid
  getpriority getrlimit setrlimit getrusage times uname sysinfo getrandom
  time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep alarm getitimer setitimer pause
  timer_create timer_settime timer_gettime timer_getoverrun timer_delete
  rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack
  kill tkill tgkill wait4 waitid exit exit_group
`
  .trim()
  .split(/\s+/);

/** What bubblewrap's last step and the runner need before user code runs: exec, an own /tmp, niceness, the seal. */
const START_UP_ONLY = ['execve', 'execveat', 'mount', 'capset', 'setpriority', 'seccomp'];

/**
 * <linux/sched.h>: a thread with the descriptors of its process, or each of 32 had 64 of its own; in no new namespace.
 * Every flag of the second line makes a namespace.
 */
const CLONE_THREAD = 0x00010000 | 0x00000400;
const CLONE_NEW_ANYTHING = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;
const AF_UNIX = 1;
/** Of close_range: none, and CLOSE_RANGE_CLOEXEC. CLOSE_RANGE_UNSHARE gives a thread descriptors of its own. */
const CLOSINGS = [0, 4];
/**
 * FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, TCGETS (isatty), TIOCGWINSZ: never TIOCSTI, which types for the terminal. The last
 * two, SECCOMP_IOCTL_NOTIF_RECV and _SEND, need the listener of a filter, which only the launcher ever has.
 */
const IOCTLS = [0x5421, 0x5451, 0x5450, 0x541b, 0x5401, 0x5413, 0xc0502100, 0xc0182101];
/** F_DUPFD … F_GETLK, F_DUPFD_CLOEXEC, F_GETPIPE_SZ. */
const FCNTLS = [0, 1, 2, 3, 4, 5, 1030, 1032];
/**
 * F_SETLK and F_SETLKW. Each lock is kernel memory that no limit counts, not even a control group's; and a sandbox is one
 * process, which never waits for a lock of its own. SQLite needs them. Locks of file descriptions (F_OFD_…) are refused.
 * flock() is told the same: it would lock files of the host's /usr, for other jobs and for the host's own programs.
 */
const LOCKS = [6, 7];
/** PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS, PR_SET_VMA (names of mappings). */
const PRCTLS = [3, 15, 16, 21, 39, 0x53564d41];

interface NamedRule extends Omit<SyscallRule, 'number'> {
  name: string;
}

/** sendto without an address is send(), which asyncio wakes itself with; with one it could reach other sockets. */
const BY_ARGUMENT: readonly NamedRule[] = [
  {
    name: 'clone',
    when: { argument: 0, mask: CLONE_THREAD | CLONE_NEW_ANYTHING, oneOf: [CLONE_THREAD] },
    action: 'allow',
    otherwise: EPERM,
  },
  { name: 'close_range', when: { argument: 2, oneOf: CLOSINGS }, action: 'allow', otherwise: EPERM },
  { name: 'socketpair', when: { argument: 0, oneOf: [AF_UNIX] }, action: 'allow', otherwise: EAFNOSUPPORT },
  { name: 'sendto', when: { argument: 4, isNull: true }, action: 'allow', otherwise: EPERM },
  { name: 'ioctl', when: { argument: 1, oneOf: IOCTLS }, action: 'allow', otherwise: EPERM },
  {
    name: 'fcntl',
    when: { argument: 1, oneOf: FCNTLS },
    action: 'allow',
    otherwise: { when: { argument: 1, oneOf: LOCKS }, action: 'pretend', otherwise: EPERM },
  },
  { name: 'flock', action: 'pretend' },
  { name: 'prctl', when: { argument: 0, oneOf: PRCTLS }, action: 'allow', otherwise: EPERM },
  { name: 'prlimit64', when: { argument: 0, oneOf: [0] }, action: 'allow', otherwise: EPERM },
];

/** clone3 hides its flags behind a pointer; ENOSYS makes libc fall back to clone, whose flags a filter can read. */
const REFUSED_SPECIALLY: Record<string, Action> = { clone3: ENOSYS, socket: EAFNOSUPPORT };

/** The filters for an architecture. Every call we know and do not allow fails with EPERM, every stranger with ENOSYS. */
export function sandboxFilters(architecture: Architecture): SandboxFilters {
  const numbers = syscallNumbers[architecture];
  const explicit: NamedRule[] = [
    ...[...ALLOWED, ...START_UP_ONLY].map((name) => ({ name, action: 'allow' as const })),
    ...BY_ARGUMENT,
  ];
  const named = new Set(explicit.map(({ name }) => name));
  const refused = Object.keys(numbers)
    .filter((name) => !named.has(name))
    .map((name) => ({ name, action: REFUSED_SPECIALLY[name] ?? EPERM }));
  const assemble = (rules: readonly NamedRule[], unlisted: Action) =>
    assembleFilter({ architecture, rules: resolve(rules, architecture), unlisted });
  const seal = (execve: Action) =>
    assemble(
      START_UP_ONLY.map((name) => ({ name, action: name === 'execve' ? execve : EPERM })),
      'allow',
    );
  const forking = [
    ...explicit.filter(({ name }) => name !== 'clone'),
    ...['clone', 'setsid'].map((name) => ({ name, action: 'allow' as const })),
  ];
  return {
    confine: assemble([...explicit, ...refused], ENOSYS),
    seal: seal(EPERM),
    sealForLaunch: seal('ask'),
    zygote: assemble([...forking, ...refused.filter(({ name }) => name !== 'setsid')], ENOSYS),
  };
}

/** aarch64 lacks the older calls (open, fork …), so a name may be missing in one architecture, but not in both. */
function resolve(rules: readonly NamedRule[], architecture: Architecture): SyscallRule[] {
  return rules.flatMap(({ name, ...rule }) => {
    const number = syscallNumbers[architecture][name];
    if (number !== undefined) return [{ number, ...rule }];
    if (Object.values(syscallNumbers).every((numbers) => numbers[name] === undefined)) {
      throw new Error(`No architecture has a system call named ${name}.`);
    }
    return [];
  });
}
