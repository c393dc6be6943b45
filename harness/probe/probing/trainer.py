"""The training state: looked at after the outputs are written, where it can cost nothing else."""

from probing.apart import answer, waiting
from probing.inference import set_seeds
from probing.inputs import fitted, read_inputs
from probing.report import Report
from probing.tensors import fed
from probing.training import problem_of

LEAST_SECONDS = 60
"""What a look at the training state is given, or else ten times what load and inference took."""


def waiting_trainer(tf, request, report, loader):
    """Return a process that waits to load the model once more and to train it for one step.

    `loader` is (load, find_entry). None where no process can be forked: then it is done in this.
    """

    def work(inputs_path, tell):
        asked = dict(request, inputs=inputs_path, raw=None)
        try:
            look(tf, asked, Report(report.directory), loader, tell)
        except Exception as error:
            tell({"problem": problem_of(error)})

    return waiting(work, report.path("probe.log"))


def look(tf, request, report, loader, tell):
    """Load the model, feed it what the attempt fed it, and tell of its training state."""
    load, find_entry = loader
    set_seeds(tf, request)
    entry = find_entry(tf, request, load(tf, request, report))
    inputs = fitted(sorted(entry.inputs), read_inputs(request["inputs"]), entry.lenient, [])
    entry.training({tensor.name: fed(tf, tensor) for tensor in inputs}, tell)


def training_here(tf, entry, inputs):
    """Return what is to be told of the training state; no error of it ends the attempt."""
    facts = {}
    try:
        entry.training({tensor.name: fed(tf, tensor) for tensor in inputs}, facts.update)
    except Exception as error:
        facts["problem"] = problem_of(error)
    return facts


def training_apart(trainer, inputs_path, seconds):
    """Return what the waiting process tells; a crash of it is part of that.

    `seconds` is how long load and inference took.
    """
    limit = max(LEAST_SECONDS, 10 * (seconds["load"] + seconds["infer"]))
    facts, trouble = answer(trainer, inputs_path, limit)
    if trouble is not None:
        facts["problem"] = "the process that made a training step " + trouble
    return facts
