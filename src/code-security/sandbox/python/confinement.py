"""What the sandbox does to itself before untrusted code runs. Everything here runs trusted."""

import ctypes
import os
import resource

MEBIBYTE = 1 << 20
PAGE = resource.getpagesize()
# Room above the memory limit in which a MemoryError can still be reported.
REPORTING_ROOM = 8 * MEBIBYTE
FILTER_FLAG_TSYNC = 1

libc = ctypes.CDLL(None, use_errno=True)


def mount_own_tmp():
    """bubblewrap cannot limit the number of files of a tmpfs. Where the host forbids even this mount in our own
    namespace (some AppArmor profiles do), /tmp stays bubblewrap's and the watchdog counts the files."""
    nosuid_nodev_noexec = 2 | 4 | 8
    options = b"size=64m,nr_inodes=4096,mode=1777"
    mounted = libc.mount(b"tmpfs", b"/tmp", b"tmpfs", nosuid_nodev_noexec, options) == 0
    os.chdir("/tmp")
    return mounted


def drop_capabilities():
    """The mount above was the only thing that needed one. Taking all away cannot fail on a sane kernel."""
    version_3 = (0x20080522).to_bytes(4, "little") + bytes(4)
    if libc.capset(version_3, bytes(24)) != 0:
        os._exit(70)


def set_limits(job, writable_mb=None):
    """`writable_mb`: for an interpreter to come, which reserves more address space than it uses."""
    os.nice(10)
    for name, value in (
        # Not 0, at which a core_pattern that is a pipe still gets its dump.
        ("CORE", 1),
        ("FSIZE", 32 * MEBIBYTE),
        ("MEMLOCK", 0),
        ("MSGQUEUE", 0),
        ("NOFILE", 64),
        ("NPROC", 32),
        ("SIGPENDING", 64),
        ("STACK", 8 * MEBIBYTE),
    ):
        lower_limit(getattr(resource, "RLIMIT_" + name, None), value)
    # A second to die of SIGXCPU in, which tells the other side why.
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_seconds"], job["cpu_seconds"] + 1))
    if writable_mb is None:
        limit_memory(job["max_memory_mb"] * MEBIBYTE)
    else:
        lower_limit(resource.RLIMIT_DATA, writable_mb * MEBIBYTE)


def lower_limit(which, value):
    if which is None:
        return
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def limit_memory(limit):
    """Lets the address space grow by what the code may still use: the limit less what is resident already."""
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    soft = address_space() + max(limit - resident, 4 * MEBIBYTE)
    resource.setrlimit(resource.RLIMIT_AS, (soft, soft + REPORTING_ROOM))


def address_space():
    """Bytes of address space in use. Without /proc: the smallest RLIMIT_AS under which one more page fits."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t) + (ctypes.c_int,) * 3 + (ctypes.c_long,)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    low, high = 0, (1 << 40) // PAGE
    while low < high:
        middle = (low + high) // 2
        resource.setrlimit(resource.RLIMIT_AS, (middle * PAGE, hard))
        if one_page_fits():
            high = middle
        else:
            low = middle + 1
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    return low * PAGE


def one_page_fits():
    read_write, private_anonymous = 3, 0x22
    address = libc.mmap(None, PAGE, read_write, private_anonymous, -1, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        return False
    libc.munmap(address, PAGE)
    return True


def seal(description):
    """Installs the second system call filter, on every thread."""
    install_filter(description, FILTER_FLAG_TSYNC)


def install_filter(description, flags):
    """SECCOMP_SET_MODE_FILTER. Returns what the call does; without the filter nothing goes on."""
    program = bytes.fromhex(description["program"])
    held = ctypes.create_string_buffer(program, len(program))

    class SockFprog(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    answer = libc.syscall(
        description["syscall"], 1, flags, ctypes.byref(SockFprog(len(program) // 8, ctypes.addressof(held)))
    )
    if answer < 0:
        os._exit(72)
    return answer


def use_reporting_room():
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
