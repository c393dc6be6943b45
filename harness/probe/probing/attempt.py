"""One attempt: the stages after the import, for one model and one loader."""

import gc
import os
import time

from probing.apart import dismiss
from probing.inference import infer, set_seeds
from probing.inputs import prepare, stored_inputs
from probing.loaders import LOADERS, TRAINED
from probing.start import set_up
from probing.tensors import describe, save_arrays
from probing.trainer import training_apart, training_here, waiting_trainer
from probing.user_code import preprocessed, register

CHECKED = "no GPU: CUDA's libraries were looked at, and nothing was computed"


class NoGPUError(Exception):
    """All that can be done without a GPU is done."""


def run_attempt(start, request, report):
    """Go through the stages in order; an error ends them."""
    tf = set_up(start, request, report)
    if request["device"] == "cuda" and not request["gpu"]:
        report.enter("load")
        raise NoGPUError(CHECKED)
    loader = LOADERS[request["loader"]]
    trainer = None
    if request["loader"] in TRAINED:
        trainer = waiting_trainer(tf, request, report, loader)
    set_seeds(tf, request)
    request = with_preprocessed(request, report)

    report.enter("load")
    register(request, report)
    loaded = load(tf, request, report, loader)

    report.enter("prepare")
    entry = loader[1](tf, request, loaded)
    report.values["signature"] = entry.signature
    inputs = prepare(report, request, entry)

    report.enter("infer")
    written, facts = infer(tf, report, request, entry, inputs)

    report.enter("collect")
    report.values["outputs"] = facts
    os.replace(written, report.path("outputs.npz"))
    if entry.training is None:
        dismiss(trainer)
    elif trainer is None:
        report.values["training"] = training_here(tf, entry, inputs)
    else:
        del loaded, entry, inputs  # the trainer has a model of its own
        gc.collect()
        path = request["inputs"] or report.path("inputs.npz")
        report.values["training"] = training_apart(trainer, path, report.seconds)
    report.complete()


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
