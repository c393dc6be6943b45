"""One attempt: the stages after the import, for one model and one loader."""

import gc
import os
import time
from functools import partial

from probing.apart import dismiss
from probing.budget import Budget
from probing.float64 import in_float64
from probing.inference import infer, set_seeds
from probing.inputs import prepare, stored_inputs
from probing.loaders import LOADERS, TRAINED
from probing.noise import vary
from probing.start import set_up
from probing.tensors import describe, save_arrays
from probing.threads import vary_threads, waiting_threads
from probing.trainer import training_apart, training_here, waiting_trainer
from probing.user_code import preprocessed, register
from probing.variations import Variations

CHECKED = "no GPU: CUDA's libraries were looked at, and nothing was computed"


class NoGPUError(Exception):
    """All that can be done without a GPU is done."""


def run_attempt(start, request, report):
    """Go through the stages in order; an error ends them.

    The report is complete when the outputs are written: nothing that comes after can cost them.
    """
    began = time.monotonic()
    tf = set_up(start, request, report)
    if request["device"] == "cuda" and not request["gpu"]:
        report.enter("load")
        raise NoGPUError(CHECKED)
    loader = LOADERS[request["loader"]]
    trainer = None
    if request["loader"] in TRAINED:
        trainer = waiting_trainer(tf, request, report, loader)
    threads = waiting_threads(tf, request, report, loader)
    set_seeds(tf, request)
    request = with_preprocessed(request, report)
    loaded, entry, inputs = ready(tf, request, report, loader)
    first = computed(tf, request, report, entry, inputs)

    variations = None
    if request["noise"] != "off":
        variations = Variations(report, first, Budget(request, report, began))
        vary(tf, request, entry, inputs, variations)
        if request["noise"] == "full":
            variations.do_in_float64(partial(in_float64, tf, request, entry, inputs, first.facts))
    if entry.training is None:
        dismiss(trainer)
        trainer = None
    elif trainer is None:
        report.values["training"] = training_here(tf, entry, inputs)
    del loaded, entry, inputs  # a process apart has a model of its own
    gc.collect()
    path = request["inputs"] or report.path("inputs.npz")
    if variations is not None:
        vary_threads(threads, path, variations)
    if trainer is not None:
        report.values["training"] = training_apart(trainer, path, report.seconds)
    report.write()


def ready(tf, request, report, loader):
    """Return what was loaded, what of it is to be called, and the inputs that fit it.

    In some releases the variables of a function are gone with the object it came from.
    """
    report.enter("load")
    register(request, report)
    loaded = load(tf, request, report, loader)

    report.enter("prepare")
    entry = loader[1](tf, request, loaded)
    report.values["signature"] = entry.signature
    return loaded, entry, prepare(report, request, entry)


def computed(tf, request, report, entry, inputs):
    """Write the outputs and complete the report; return what variations are held against."""
    report.enter("infer")
    written, first = infer(tf, report, request, entry, inputs)

    report.enter("collect")
    report.values["outputs"] = first.facts
    os.replace(written, report.path("outputs.npz"))
    report.complete()
    return first


def load(tf, request, report, loader):
    """Return what the loader loads; how long it took goes into the report."""
    started = time.perf_counter()
    loaded = loader[0](tf, request, report)
    report.seconds["load"] = time.perf_counter() - started
    return loaded


def with_preprocessed(request, report):
    """Run `preprocess.py`, if there is something for it, and return the request with its result.

    What it returned is kept, and is from then on the inputs that are given.
    """
    if request["raw"] is None:
        if request["preprocess"] is not None:
            report.warnings.append("preprocess.py is not run: there is no raw.npz for it")
        return request
    report.enter("preprocess")
    started = time.perf_counter()
    tensors = preprocessed(request)
    report.seconds["preprocess"] = time.perf_counter() - started
    path = report.path("preprocessed.npz")
    save_arrays(path, stored_inputs(tensors))
    report.values["preprocessed"] = describe(tensors)
    return dict(request, inputs=path)
