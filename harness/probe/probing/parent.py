"""The parent of the attempts: imports TensorFlow once and gives each attempt a process of its own.

An attempt may crash, hang, stop its parent or leave processes behind: it costs itself only. What
it prints goes to `probe.log` in its folder, which is there as soon as it begins; how it ended, to
`ended.json`, when nothing of it is left. Attempts run as the same user: one that is out to do so
can forge both, and those of attempts after it. The harness sees to those before it.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import sys
import time
import traceback
from functools import partial

from probing.attempt import run_attempt
from probing.forking import forked, why_not_fork
from probing.guard import protect
from probing.machine import learn_machine
from probing.report import Report, resident_file_bytes
from probing.requests import read_requests
from probing.start import import_tensorflow

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PAUSE_SECONDS = 0.005

OOM_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Where a container's control group counts the processes killed for want of memory: v2 and v1."""


def run_all(requests_path, out, script, afresh=False):
    """Run every attempt and return the exit status.

    `afresh`: each attempt imports TensorFlow by itself, as always where the system is not Linux:
    forking after an import is not safe there.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_all)
    try:
        requests = read_requests(requests_path)
    except Exception as error:
        return refuse_all(out, error)
    adopt_orphans()
    reports = {name: Report(os.path.join(out, name)) for name in requests.attempts}
    for name, report in reports.items():
        report.values["loader"] = str(requests.attempts[name].request["loader"])
        report.enter("start")
    command = [sys.executable, script, "--requests", requests_path, "--out", out]
    if afresh or not sys.platform.startswith("linux"):
        works = {name: started_afresh(command, name) for name in reports}
    else:
        works = import_once(requests.attempts, reports, command)
    protect(True)
    for name, report in reports.items():
        report.write()  # its folder is a new one where the one before was taken away
        run_apart(works[name], report)
        while requests.taken and os.path.isdir(report.directory):
            time.sleep(PAUSE_SECONDS)
    return 0


def run_here(requests_path, out, name):
    """Run one attempt in this process and return its exit status."""
    report = Report(os.path.join(out, name))
    try:
        request, problem = read_requests(requests_path).attempts[name]
        report.values["loader"] = str(request["loader"])
        report.enter("start")
        learn_machine(report)
        if problem is not None:
            raise problem
        report.enter("import")
        start = import_tensorflow(report, request["device"])
    except BaseException as error:
        return failed(error, report)
    return attempted(start, request, report)


def import_once(attempts, reports, command):
    """Import TensorFlow; return {name: what that attempt has to do then}.

    Where it turns out that this process must not be forked, the script begins again, `afresh`.
    """
    works = {
        name: partial(failed, asked.problem, reports[name])
        for name, asked in attempts.items()
        if asked.problem is not None
    }
    sound = [name for name in attempts if name not in works]
    first = next(iter(reports.values()))
    learn_machine(first)
    for name, report in reports.items():
        report.learn(first)
        report.enter("import" if name in sound else "start")
    if not sound:
        return works
    try:
        start = import_tensorflow(first, attempts[sound[0]].request["device"])
    except BaseException as error:  # also SystemExit
        works.update({name: partial(failed, error, reports[name]) for name in sound})
    else:
        why = why_not_fork()
        if why is not None:
            begin_afresh(command, why)
        for name in sound:
            works[name] = partial(attempted, start, attempts[name].request, reports[name])
    for report in reports.values():
        report.learn(first)
        report.inherited_bytes = resident_file_bytes()
    return works


def begin_afresh(command, why):
    """Replace this process by one that forks none with TensorFlow in it; return never."""
    print("probe: every attempt imports TensorFlow by itself: %s" % why, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command + ["--afresh"])  # noqa: S606  (there is no shell to want)


def started_afresh(command, name):
    """Return what starts one attempt as a program of its own."""
    return partial(os.execv, command[0], command + ["--attempt", name])


def attempted(start, request, report):
    """Run one attempt and return its exit status."""
    try:
        run_attempt(start, request, report)
    except BaseException as error:  # also SystemExit and KeyboardInterrupt from a model's code
        return failed(error, report)
    return 0


def failed(error, report):
    """Write down and print an error; return the exit status."""
    report.fail(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    return 1


def refuse_all(out, error):
    """Report requests that cannot be read to every attempt there is a folder for."""
    for name in sorted(os.listdir(out)):
        if os.path.isdir(os.path.join(out, name)):
            report = Report(os.path.join(out, name))
            learn_machine(report)
            report.fail(error)
    print("probe: the requests cannot be read: %s" % error, file=sys.stderr)
    return 1


def run_apart(work, report):
    """Do `work` in a child, end what it left running, and write down how it ended."""
    started, killed = time.perf_counter(), oom_kills()
    child = forked(work, report.path("probe.log"))
    _, status = os.waitpid(child, 0)
    end_orphans()
    if not os.path.isdir(report.directory):  # the attempt itself has said that it ended
        return
    ended = {
        "schema": 1,
        "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        "signal": signal_name(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None,
        "seconds": time.perf_counter() - started,
        "oom_kills": None if killed is None else oom_kills() - killed,
    }
    part, whole = report.path(".ended.json.part"), report.path("ended.json")
    for path in (part, whole):
        remove(path)  # whatever the attempt has put there
    with open(part, "w") as stream:
        json.dump(ended, stream)
    os.replace(part, whole)


def signal_name(number):
    """Return a signal's name; those for real-time use have a number only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "SIG%d" % number


def remove(path):
    """Remove a file, a link or a folder; nothing where there is none."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def oom_kills():
    """Return how many processes of this container were killed for want of memory, or None."""
    for path in OOM_COUNTERS:
        try:
            with open(path) as stream:
                found = re.search(r"^oom_kill (\d+)$", stream.read(), re.M)
        except OSError:
            continue
        if found:
            return int(found.group(1))
    return None


def adopt_orphans():
    """Become the parent of processes whose own parent ends, so that they can be found."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all(number, _frame):
    """End the children, then this process by the same signal."""
    end_orphans()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def end_orphans():
    """Kill the children of this process, and theirs, until there are none it can kill."""
    while sum(end(child) for child in own_children()):
        pass


def end(child):
    """Kill one child, whose own children become this process's; tell whether that was possible."""
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except OSError:
        return False
    return True


def own_children():
    """Return the ids of this process's children; none where the system does not tell."""
    children = []
    try:
        for thread in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/children" % thread) as stream:
                children.extend(int(child) for child in stream.read().split())
    except OSError:
        pass
    return children
