"""A fork server: starts Python and NumPy once and makes a fresh sandbox for each job out of itself.

It never sees a byte of a job. Each child gets a slot, three channels of its own that the host made before, and new
namespaces of every kind; its first process (init) only waits for the second, which gets ready as a sandbox of its
own would, and runs one job. What children share is this process's memory as it was before any job: the loaded
modules, where they lie, and the seed of hashes.
"""

import ctypes
import os
import select
import signal
import sys

from channels import JOB_CHANNEL, RESULT_CHANNEL, close_from, receive_frame, send_frame
from confinement import drop_capabilities, mount_own_tmp, seal

# The host's /proc as a directory; no path leads there from inside. Only ids are mapped and read through it.
PROC = 7
FIRST_SLOT = 8
CHANNELS_OF_SLOT = 3
INNER_ID = 1000
# <linux/sched.h>: new mount, cgroup, uts, ipc, user, pid and network namespaces.
NEW_EVERYTHING = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

# Keeps the interpreter's lock during the call: the child must not have to wait for a thread it does not have.
libc = ctypes.PyDLL(None, use_errno=True)


def serve_children(warm_up, run_one_job):
    """Forks a child for each byte, the number of a slot, that the host sends; tells it when a child has ended."""
    plan = receive_frame()
    close_from(FIRST_SLOT + CHANNELS_OF_SLOT * plan["slots"])
    drop_capabilities()
    warm_up()
    woken = wake_when_child_ends()
    send_frame({"ready": True})
    slots = {}
    poll = select.poll()
    poll.register(JOB_CHANNEL, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == woken:
                os.read(woken, 4096)
                tell_ends(slots)
                continue
            wanted = os.read(JOB_CHANNEL, 4096)
            if not wanted:
                os._exit(0)
            for slot in wanted:
                child = start_child(slot, plan, run_one_job)
                if child < 0:
                    send_frame({"ended": slot, "code": 73})
                else:
                    slots[child] = slot


def wake_when_child_ends():
    woken, wake_up = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_up, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def tell_ends(slots):
    while slots:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        send_frame({"ended": slots.pop(child), "code": code if code >= 0 else 128 - code})


def start_child(slot, plan, run_one_job):
    """The init of new namespaces, or -1 where the host refuses another. fork() cannot make namespaces, and after
    unshare() only its child would be inside."""
    child = libc.syscall(plan["clone"], NEW_EVERYTHING | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        try:
            os._exit(be_init(slot, plan, run_one_job))
        except BaseException as error:
            show_failure(slot, repr(error))
        finally:
            os._exit(70)
    if child < 0:
        show_failure(slot, os.strerror(ctypes.get_errno()))
    for channel in channels_of(slot):
        os.close(channel)
    return child


def channels_of(slot):
    first = FIRST_SLOT + CHANNELS_OF_SLOT * slot
    return range(first, first + CHANNELS_OF_SLOT)


def be_init(slot, plan, run_one_job):
    """Returns the status of the job's process, as a shell would put it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Process groups reach across namespaces: kill(0) would find the zygote and every other child.
    os.setsid()
    map_ids()
    if not mount_own_tmp():
        raise RuntimeError("a /tmp of its own could not be mounted; SANDBOX_MODE=single-use does without it")
    init = own_pid()
    worker = os.fork()
    if worker == 0:
        get_ready(slot, plan, init)
        run_one_job()
        os._exit(70)
    # An init gets no signal from inside but those it handles, and Python handles this one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    close_from(0)
    drop_capabilities()
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    return code if code >= 0 else 128 - code


def map_ids():
    """Without a mapping nothing could be written anywhere: files need an owner."""
    write_to_proc("self/setgroups", b"deny")
    for name in ("self/uid_map", "self/gid_map"):
        write_to_proc(name, b"%d %d 1" % (INNER_ID, INNER_ID))


def write_to_proc(name, text):
    descriptor = os.open(name, os.O_WRONLY, dir_fd=PROC)
    os.write(descriptor, text)
    os.close(descriptor)


def own_pid():
    """As the host counts."""
    return int(os.readlink("self", dir_fd=PROC))


def show_failure(slot, text):
    os.write(channels_of(slot)[1], text.encode())


def get_ready(slot, plan, init):
    """What main() does for a sandbox of its own. Every channel but those of the slot is closed."""
    python = own_pid()
    stdout, stderr, channel = channels_of(slot)
    for source, target in ((stdout, 1), (stderr, 2), (channel, JOB_CHANNEL), (channel, RESULT_CHANNEL)):
        os.dup2(source, target)
    # Flags are of the open file: one that every child has would carry them from job to job.
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    close_from(RESULT_CHANNEL + 1)
    drop_capabilities()
    seal(plan["confine"])
    draw_fresh_randomness()
    send_frame({"ready": True, "limits_files": True, "init": init, "python": python})


def draw_fresh_randomness():
    """Generators seeded before the fork would give every child the same numbers. `random` sees to itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
