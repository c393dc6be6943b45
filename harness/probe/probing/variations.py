"""What becomes of variations of the inference: the same bits, others that are kept, or why not.

Each is in the report before it begins and written again when it has ended: where it ends the
process, the report, which is complete by then, still says which one that was.
"""

import collections
import os
import time

from probing.float64 import NoFloat64Error
from probing.report import shorten
from probing.tensors import describe, digest, write_outputs

First = collections.namedtuple("First", "facts digest")
"""The outputs that variations are held against: what the report says of them, and their digest."""

CUT_SHORT = "the process ended while it was done"


class NotDoneError(Exception):
    """A variation that the model or its inputs do not allow; the text says why."""


class Variations:
    """Those of one attempt, as they are done."""

    def __init__(self, report, first, budget):
        self.report = report
        self.first = first
        self.budget = budget

    def do(self, name, seconds, work, wide=False):
        """Do one, if the budget allows what may take `seconds`, and report what came of it.

        `work` returns what is known then. No error of it ends the attempt.
        """
        told = self.report.values["variations"]
        why = self.budget.why_not(seconds, wide)
        if why is not None:
            told.append(fact(name, problem=why))
            self.report.write()
            return
        told.append(fact(name, problem=CUT_SHORT))
        self.report.write()
        started = time.perf_counter()
        try:
            with self.budget.watched():
                known = work()
        except NotDoneError as error:
            known = {"problem": "not done: %s" % error}
        except BaseException as error:  # also SystemExit from a model's code
            known = {"problem": shorten("%s: %s" % (type(error).__name__, error))}
        else:
            known["seconds"] = time.perf_counter() - started
        told[-1] = fact(name, **known)
        self.report.write()

    def do_here(self, name, outputs):
        """Do one in this process: `outputs` returns the tensors that it gives."""
        path = file_of(self.report, name)
        self.do(name, self.budget.infer, lambda: held_against(outputs(), self.first, path))

    def do_in_float64(self, outputs):
        """Do the same graph in float64, where that can be: no noise, but what is nearly true."""
        path = file_of(self.report, "float64")

        def work():
            try:
                found = outputs()
            except NoFloat64Error as error:
                raise NotDoneError(str(error)) from error
            write_whole(path, found)
            return {"same": False, "kept": True}

        self.do("float64", self.budget.infer, work, wide=True)


def fact(name, **known):
    """Return what the report says of a variation."""
    told = {"name": name, "same": None, "kept": False, "problem": None, "seconds": None}
    told.update(known)
    return told


def file_of(report, name):
    """Return where the outputs of a variation are written, where they have other bits."""
    return report.path("variation-%s.npz" % name)


def held_against(outputs, first, path):
    """Return whether outputs have the bits of the first ones; others are written to `path`."""
    if digest(outputs) == first.digest:
        return {"same": True}
    if describe(outputs) != first.facts:
        return {"same": False, "problem": "its outputs have other names, types or shapes"}
    write_whole(path, outputs)
    return {"same": False, "kept": True}


def write_whole(path, outputs):
    """Write outputs to a file that is there as a whole or not at all."""
    write_outputs(path + ".part", outputs)
    os.replace(path + ".part", path)
