"""Runs as a job in the sandbox and tries to do what no job may. Leaves in `checks` a pair (held, what was seen) for
each wall. Given: `canary_file` and `canary_port` of the host, and the numbers of the system calls `fork_call`
(clone), `unshare_call` and `exec_call`."""

import ctypes
import errno
import os
import socket

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
    return owner != os.getuid() and os.getuid() != 0, f"uid {os.getuid()}, /usr belongs to {owner}"


def is_filtered():
    mode, no_new_privileges = libc.prctl(21, 0, 0, 0, 0), libc.prctl(39, 0, 0, 0, 0)
    return mode == 2 and no_new_privileges == 1, f"seccomp mode {mode}, no_new_privs {no_new_privileges}"


def has_no_proc():
    found = [path for path in ("/proc", "/sys") if os.path.exists(path)]
    return not found, f"found {found}"


def writes_only_to_tmp():
    """Tries every folder near the root; deeper ones lie on the same read-only mounts."""
    folders = ["/"] + [entry.path for entry in os.scandir("/") if entry.is_dir()]
    folders += [entry.path for entry in os.scandir("/usr") if entry.is_dir()]
    writable = [folder for folder in folders if folder != "/tmp" and can_write(folder)]
    return can_write("/tmp") and not writable, f"writable: {writable}"


def can_write(folder):
    path = os.path.join(folder, ".self-test")
    try:
        open(path, "w").close()
        os.unlink(path)
        return True
    except OSError:
        return False


def cannot_read_host_file():
    try:
        open(canary_file).close()
        return False, "a file of the host was readable"
    except FileNotFoundError:
        return True, "not there"


def cannot_reach_loopback():
    try:
        socket.create_connection(("127.0.0.1", canary_port), 1).close()
        return False, "a port of the host answered"
    except OSError as error:
        return True, str(error)


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
    "host_files_hidden": cannot_read_host_file(),
    "loopback_unreachable": cannot_reach_loopback(),
    "sockets_refused": gets_no_socket(),
    "processes_refused": is_refused(fork_call, 17, 0, 0, 0, 0),
    "namespaces_refused": is_refused(unshare_call, 0x10000000),
    "exec_refused": is_refused(exec_call, b"/usr/bin/true", None, None),
}
