"""Turns a sandbox into the interpreter of another language: one exec, after which no other is possible.

The filter asks whoever holds its listener about every execve. A thread of this process does, and says yes once. That
exec ends the thread and closes the listener, and a question that nobody can hear is answered with ENOSYS for ever. A filter
could not tell the permitted exec from others by its arguments: the path is behind a pointer.
"""

import _thread
import ctypes
import errno
import os
import struct

from channels import JOB_CHANNEL, encode_json
from confinement import install_filter, libc, set_limits

# <linux/seccomp.h>
FILTER_FLAG_NEW_LISTENER = 8
NOTIFICATION_RECEIVE, NOTIFICATION_SEND = 0xC0502100, 0xC0182101
NOTIFICATION_SIZE, ID_SIZE = 80, 8
RESPONSE, RESPONSE_CONTINUE = "<8sqiI", 1
# What a runner learns of its job.
HANDED_OVER = ("name", "code", "globals", "locals", "capture_locals", "result_variable")


def launch(job):
    """Never returns. What the runner of the language finds is described in docs/runner-protocol.md."""
    plan = job["launch"]
    write_files(plan)
    set_limits(job, plan["writable_mb"])
    hand_over(job)
    permit_one_exec(job["seal"])
    become(plan)


def write_files(plan):
    os.mkdir(plan["folder"])
    for name, text in plan["files"].items():
        with open(os.path.join(plan["folder"], name), "w", encoding="utf-8") as file:
            file.write(text)


def hand_over(job):
    """The job as a file without a name, open where the channel was."""
    path = "/tmp/.job"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.unlink(path)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(encode_json({name: job[name] for name in HANDED_OVER}).encode("ascii"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    if descriptor == JOB_CHANNEL:
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(descriptor, JOB_CHANNEL)
        os.close(descriptor)


def permit_one_exec(seal):
    """Holds for this thread only, so that the other one stays free to answer; the exec leaves no other."""
    installed = _thread.allocate_lock()
    installed.acquire()
    listener = []
    _thread.start_new_thread(answer_questions, (installed, listener))
    listener.append(install_filter(seal, FILTER_FLAG_NEW_LISTENER))
    installed.release()


def answer_questions(installed, listener):
    """No to the rehearsal, yes to the exec that counts; then the thread is gone."""
    installed.acquire()
    for error, flags in ((-errno.EPERM, 0), (0, RESPONSE_CONTINUE)):
        question = ctypes.create_string_buffer(NOTIFICATION_SIZE)
        ask(listener[0], NOTIFICATION_RECEIVE, question)
        answer = struct.pack(RESPONSE, question.raw[:ID_SIZE], 0, error, flags)
        ask(listener[0], NOTIFICATION_SEND, ctypes.create_string_buffer(answer, len(answer)))


def ask(listener, request, buffer):
    if libc.ioctl(listener, ctypes.c_ulong(request), buffer) != 0:
        os._exit(73)


def become(plan):
    """By libc itself: os.execve would keep the interpreter's lock, which the answering thread needs. Under a filter that
    asks nobody the rehearsal succeeds, and the job ends here without a result."""
    execute("/usr/bin/true", [], {})
    if ctypes.get_errno() == errno.EPERM:
        execute(plan["path"], plan["arguments"], plan["environment"])
    os._exit(74)


def execute(path, arguments, environment):
    variables = ["%s=%s" % entry for entry in environment.items()]
    libc.execve(path.encode(), to_pointers([path, *arguments]), to_pointers(variables))


def to_pointers(texts):
    return (ctypes.c_char_p * (len(texts) + 1))(*[text.encode() for text in texts], None)
