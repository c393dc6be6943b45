"""Process 1 of a container: starts the parent of the attempts, and tells how that ended.

From within a container its process 1 can be neither killed nor stopped (pid_namespaces(7)). A model
that kills the parent is so told from a machine that is out of memory, one that stops it is undone.
"""

import ctypes
import os
import signal
import sys

PR_SET_DUMPABLE = 4  # linux/prctl.h

KILLED_WITHIN = 121
"""Exit status that says: the parent was killed by SIGKILL, by something in this container."""

SIGNALLED = 128
"""What an exit status is above the number of a signal, as with shells."""

OWN = {"guarded": False}
"""Of this process: whether a guard has started it or one it descends from."""


def guard(oom_kills):
    """Return in a child of process 1, which ends as that child does; do nothing elsewhere.

    `oom_kills` counts the processes of the container that were killed for want of memory.
    """
    if os.getpid() != 1 or not sys.platform.startswith("linux"):
        return
    os.dup2(1, 2)  # of two streams Docker may tell the lines in another order
    killed = oom_kills()
    child = os.fork()
    if not child:
        OWN["guarded"] = True
        return
    be_traceable(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: os.kill(child, number))
    status = ending_of(child)
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    within = number == signal.SIGKILL and killed is not None and oom_kills() == killed
    os._exit(KILLED_WITHIN if within else SIGNALLED + number)


def ending_of(child):
    """Wait for the end of a child and return its status; reap all others, undo its stops."""
    while True:
        process, status = os.waitpid(-1, os.WUNTRACED)
        if process != child:
            continue
        if not os.WIFSTOPPED(status):
            return status
        os.kill(child, signal.SIGCONT)


def protect(wanted):
    """Keep other processes of the same user out of this one, or let them in again.

    Only in a container: elsewhere it hides from the harness how much memory is used.
    """
    if OWN["guarded"]:
        be_traceable(not wanted)


def be_traceable(wanted):
    """Say whether processes of the same user may trace this one and look into it (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, int(wanted), 0, 0, 0)
