"""Runs as a job in the sandbox and tries to do what no job may. Leaves in `checks` a pair (held, what was seen) for
each wall. Given: `canary_file` and `canary_port` of the host (None where the host's process has no network), and the numbers of the system calls `fork_call`
(clone), `unshare_call` and `exec_call`."""

import ctypes
import errno
import os
import socket
import sys

# All that there is to see, besides the folders of this interpreter. Half of the devices exist in gVisor only.
SYSTEM = "/usr /bin /lib /lib32 /lib64 /etc/alternatives /etc/ld.so.cache /opt/javascript /proc /sys /tmp".split()
DEVICES = "fd full fuse net null ptmx pts random shm stderr stdin stdout tty urandom zero".split()

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    ctypes.set_errno(0)
    answer = libc.syscall(number, *arguments)
    return answer, errno.errorcode.get(ctypes.get_errno(), "no error")


def is_refused(number, *arguments):
    answer, error = call(number, *arguments)
    return answer == -1 and error == "EPERM", f"{answer}, {error}"


def is_not_host_root():
    """Files of root on the host look like nobody's in here, unless root on the host is who runs this."""
    owner = os.stat("/usr").st_uid
    return owner not in (0, os.getuid()) and os.getuid() != 0, f"uid {os.getuid()}, /usr belongs to {owner}"


def is_filtered():
    mode, no_new_privileges = libc.prctl(21, 0, 0, 0, 0), libc.prctl(39, 0, 0, 0, 0)
    return mode == 2 and no_new_privileges == 1, f"seccomp mode {mode}, no_new_privs {no_new_privileges}"


def has_no_proc():
    """In gVisor the two folders are there, and empty."""
    found = [path for path in ("/proc", "/sys") if os.path.exists(path) and os.listdir(path)]
    return not found, f"found {found}"


def writes_only_to_tmp():
    """Tries every folder near the root; deeper ones lie on the same read-only mounts."""
    near = [path for path in list_folders("/") if path != "/tmp"]
    folders = ["/", *near, *(inner for path in near for inner in list_folders(path))]
    writable = [folder for folder in folders if can_write(folder)]
    return can_write("/tmp") and not writable, f"writable: {writable}"


def list_folders(folder):
    try:
        return [entry.path for entry in os.scandir(folder) if entry.is_dir()]
    except PermissionError:
        return []


def can_write(folder):
    path = os.path.join(folder, ".self-test")
    try:
        open(path, "w").close()
        os.unlink(path)
        return True
    except OSError:
        return False


def sees_no_host_file():
    """The canary lies where the host keeps temporary files, which is out of sight in any case: so nothing else of the
    host may be seen either. What it is stays unsaid."""
    if os.path.exists(canary_file):
        return False, "a file of the host was there"
    python = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, os.path.realpath(sys.executable)]
    unknown = count_unknown("/", {*SYSTEM, *("/dev/" + name for name in DEVICES), *python})
    return unknown == 0, f"{unknown} files or folders of the host are to be seen"


def count_unknown(folder, known):
    """Folders on the way to what is known count by what else is in them."""
    others = [entry.path for entry in os.scandir(folder) if entry.path not in known]
    ways = [path for path in others if any(name.startswith(path + "/") for name in known)]
    return len(others) - len(ways) + sum(count_unknown(path, known) for path in ways)


def cannot_reach_loopback():
    """Where nothing listens, an unanswered connection proves nothing: then there must be no socket to make one."""
    try:
        socket.create_connection(("127.0.0.1", canary_port or 9), 1).close()
        return False, "a port of the host answered"
    except OSError as error:
        return canary_port is not None or error.errno in (errno.EPERM, errno.EAFNOSUPPORT), str(error)


def gets_no_socket():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
        return False, "a socket was made"
    except OSError as error:
        return error.errno == errno.EAFNOSUPPORT, str(error)


checks = {
    "not_host_root": is_not_host_root(),
    "seccomp_active": is_filtered(),
    "no_proc": has_no_proc(),
    "read_only": writes_only_to_tmp(),
    "host_files_hidden": sees_no_host_file(),
    "loopback_unreachable": cannot_reach_loopback(),
    "sockets_refused": gets_no_socket(),
    "processes_refused": is_refused(fork_call, 17, 0, 0, 0, 0),
    "namespaces_refused": is_refused(unshare_call, 0x10000000),
    "exec_refused": is_refused(exec_call, b"/usr/bin/true", None, None),
}
