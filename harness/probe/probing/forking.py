"""Whether a process that has imported TensorFlow may be forked, and forking it.

A fork copies the one thread that asks for it, and of CUDA nothing that works. It is safe as long
as TensorFlow has made no thread pool and no device, which it does on its first computation, not on
import (seen in 1.15.5, 2.4.4, 2.8.4, 2.15.1 and 2.21.0); what a release does is looked at here
each time. OpenBLAS has threads from the import of NumPy on, and ends them before a fork.
"""

import os
import random
import re
import signal
import sys

from probing.guard import protect


def why_not_fork():
    """Return why this process must not be forked, or None where that is safe."""
    if not sys.platform.startswith("linux"):
        return "forking after an import is only safe on Linux"
    opened = open_files("/dev/nvidia")
    if opened:
        return "%s is open after the import" % opened[0]
    initialised = eager_context_is_made()
    if initialised is None:
        return "this TensorFlow does not tell whether its devices are made on import"
    if initialised:
        return "this TensorFlow makes its devices on import"
    os.waitpid(os.fork() or os._exit(0), 0)  # what knows of forks has no thread after one
    threads = thread_count()
    if threads > 1:
        return "%d threads that do not know of forks run after the import" % (threads - 1)
    return None


def eager_context_is_made():
    """Tell whether TensorFlow has made its devices; None where that cannot be seen."""
    try:
        from tensorflow.python.eager import context

        return getattr(context._context, "_context_handle", None) is not None
    except (ImportError, AttributeError):
        return None


def thread_count():
    """Return the number of threads of this process; 1 where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as stream:
            return int(re.search(r"Threads:\s+(\d+)", stream.read()).group(1))
    except (OSError, AttributeError):
        return 1


def open_files(prefix):
    """Return the paths of this process's open files that begin with `prefix`."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink("/proc/self/fd/" + descriptor)
        except OSError:  # the folder's own
            continue
        if path.startswith(prefix):
            found.append(path)
    return found


def forked(work, log_path):
    """Start `work` in a child, whose exit status is what it returns; return the child's id.

    What the child prints goes to the file `log_path`, which is there before the child is.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    child = os.fork()
    if child:
        os.close(log)
        return child
    status = 1
    try:
        become_apart(log)
        status = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(status)  # all is written: a library that hangs or crashes at exit is not the model


def become_apart(log):
    """Be as a process that was started by itself: own output, signals, group and random numbers."""
    protect(False)  # it is its own again
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.setpgid(0, 0)  # a signal to its group is none to its parent
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
