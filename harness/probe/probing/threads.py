"""The inference with other numbers of threads, each in a process forked before TensorFlow computes.

TensorFlow makes its thread pools on its first computation, for good. So such a process loads the
model once more, when the outputs are written.
"""

import collections
import os
from functools import partial

from probing.apart import answer, dismiss, waiting
from probing.inputs import fitted, read_inputs
from probing.noise import called
from probing.report import Report
from probing.start import set_threads
from probing.training import problem_of
from probing.user_code import register
from probing.variations import First, NotDoneError, file_of, held_against

Waiting = collections.namedtuple("Waiting", "name apart why")
"""A variation, the process that waits to do it, and where there is none, why."""

KEYS = ("intra_op_threads", "inter_op_threads")


def waiting_threads(tf, request, report, loader):
    """Return a process for one thread and one for twice as many as the attempt itself has.

    `loader` is (load, find_entry). None are wanted for other levels than `full`.
    """
    if request["noise"] != "full":
        return []
    own = [request[key] or os.cpu_count() or 1 for key in KEYS]
    found = []
    for name, counts in (("threads-1", [1, 1]), ("threads-n", [2 * count for count in own])):
        asked = dict(request, raw=None, **dict(zip(KEYS, counts)))
        if request["device"] != "cpu":
            found.append(Waiting(name, None, "only a CPU computes with these threads"))
        elif counts == own:
            found.append(Waiting(name, None, "the inference itself has one thread"))
        else:
            compute = partial(look, tf, asked, loader, report.directory)
            found.append(waiting_for(name, compute, report))
    return found


def waiting_for(name, compute, report):
    """Return a process that waits to `compute` one variation; a message says of what."""

    def work(message, tell):
        try:
            tell(compute(message))
        except Exception as error:
            tell({"problem": problem_of(error)})

    process = waiting(work, report.path("probe.log"))
    return Waiting(name, process, "no process can be forked for it here")


def look(tf, request, loader, folder, message):
    """Load the model, feed it what the attempt fed it, and return what its outputs are."""
    load, find_entry = loader
    report, request = Report(folder), dict(request, inputs=message["inputs"])
    register(request, report)
    set_threads(tf, report, request)
    counts = tuple(report.actual[key] for key in KEYS)
    print("probe: %s: intra-op %d, inter-op %d" % ((message["name"],) + counts))
    loaded = load(tf, request, report)  # kept until its outputs are here
    entry = find_entry(tf, request, loaded)
    inputs = fitted(sorted(entry.inputs), read_inputs(request["inputs"]), entry.lenient, [])
    outputs = called(tf, request, entry, inputs)
    first = First(message["facts"], message["digest"])
    return held_against(outputs, first, file_of(report, message["name"]))


def vary_threads(processes, inputs_path, variations):
    """Let each process compute, one after the other, and report what came of it."""
    for one in processes:
        asking = Asking(one, inputs_path, variations)
        seconds = variations.report.seconds["load"] + variations.budget.infer
        variations.do(one.name, seconds, asking.ask)
        if not asking.asked:
            dismiss(one.apart)


class Asking:
    """A process that waits, and whether it was asked."""

    def __init__(self, waiting_one, inputs_path, variations):
        self.one = waiting_one
        self.budget = variations.budget
        self.message = {"name": waiting_one.name, "inputs": inputs_path}
        self.message.update(variations.first._asdict())
        self.asked = False

    def ask(self):
        """Return what the process tells; a crash of it is part of that."""
        if self.one.apart is None:
            raise NotDoneError(self.one.why)
        self.asked = True
        told, trouble = answer(self.one.apart, self.message, max(1.0, self.budget.left()))
        if trouble is not None:
            told["problem"] = "the process that computed " + trouble
        return told
