"""In the place of confinement.py for developers whose machine cannot isolate: the same names, and no walls."""

import _thread
import os
import signal
import time

LOOK_SECONDS = 0.5


def mount_own_tmp():
    end_with_parent()
    os.chdir("/tmp")
    return True


def end_with_parent():
    """No kernel does it here: a service that is killed must not leave its jobs behind."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os.killpg(0, signal.SIGKILL)

    _thread.start_new_thread(watch, ())


def nothing(*_):
    return None


drop_capabilities = set_limits = seal = install_filter = use_reporting_room = nothing
libc = None
