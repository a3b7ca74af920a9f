"""Follows confinement.py, in the same module, where the kernel below is gVisor's: what is different there."""

NOTHING_INSIDE = (b"/proc", b"/sys", b"/dev/pts")
DETACH = 2


def use_socket_as_channels():
    """gVisor passes on no more than three descriptors: fd 0 is a socket that carries the job in and frames out."""
    for channel in (3, 4):
        os.dup2(0, channel)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


# Before anything else: the runner closes what is above the channels.
use_socket_as_channels()


def mount_own_tmp():
    """gVisor's /tmp is its own already. It cannot limit the number of files: their cost is memory of the Sentry, which
    is watched from outside. What it always mounts for its containers is taken away, though none of it is the host's."""
    for path in NOTHING_INSIDE:
        if libc.umount2(path, DETACH) != 0:
            os._exit(73)
    os.chdir("/tmp")
    return True


lower_any_limit = lower_limit


def lower_limit(which, value):
    """gVisor has neither of the two, and refuses to set them."""
    if which not in (resource.RLIMIT_MSGQUEUE, resource.RLIMIT_SIGPENDING):
        lower_any_limit(which, value)


install_one = seal


def seal(filter_job):
    """Nobody set a filter before: both are set here, in the order of bubblewrap."""
    install_one({"syscall": filter_job["syscall"], "program": filter_job["confine"]})
    install_one(filter_job)
