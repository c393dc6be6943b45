"""One attempt: the stages after the import, for one model and one loader."""

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


def run_attempt(start, request, report):
    """Go through the stages in order; an error ends them."""
    tf = set_up(start, request, report)
    load, find_entry = LOADERS[request["loader"]]
    trainer = None
    if request["loader"] in TRAINED:
        trainer = waiting_trainer(tf, request, report, (load, find_entry))
    set_seeds(tf, request)
    if request["raw"] is not None:
        request = preprocess(request, report)
    elif request["preprocess"] is not None:
        report.warnings.append("preprocess.py is not run: there is no raw.npz for it")

    report.enter("load")
    register(request, report)
    started = time.perf_counter()
    loaded = load(tf, request, report)
    report.seconds["load"] = time.perf_counter() - started

    report.enter("prepare")
    entry = find_entry(tf, request, loaded)
    report.values["signature"] = entry.signature
    inputs = prepare(report, request, entry)

    report.enter("infer")
    written, facts = infer(tf, report, request, entry, inputs)

    report.enter("collect")
    report.values["outputs"] = facts
    os.replace(written, report.path("outputs.npz"))
    if entry.training is not None:
        if trainer is None:
            report.values["training"] = training_here(tf, entry, inputs)
        else:
            path = request["inputs"] or report.path("inputs.npz")
            report.values["training"] = training_apart(trainer, path, report.seconds)
    elif trainer is not None:
        dismiss(trainer)
    report.complete()


def preprocess(request, report):
    """Run `preprocess.py` and return the request with what it returned as the inputs."""
    report.enter("preprocess")
    started = time.perf_counter()
    tensors = preprocessed(request)
    report.seconds["preprocess"] = time.perf_counter() - started
    path = report.path("preprocessed.npz")
    save_arrays(path, stored_inputs(tensors))
    report.values["preprocessed"] = describe(tensors)
    return dict(request, inputs=path)
