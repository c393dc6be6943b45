"""The order of a capture: look at the files, run the model, write what was seen."""

import argparse
import os
import re
import sys
import tempfile
import traceback

from capturing.facts import captured_facts, variables_set
from capturing.place import Place, RefusedError
from capturing.written import Written
from probing.attempt import run_attempt
from probing.machine import learn_machine
from probing.report import Report
from probing.requests import asked
from probing.start import import_tensorflow

CAPTURED, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def run(settings, script, arguments):
    """Capture the model and return the exit status; `settings` are what the harness knew of it."""
    options = parsed(arguments, settings, script)
    place = Place(settings, options.model_dir)
    try:
        place.check(options.force)
        with tempfile.TemporaryDirectory(prefix="capture-") as folder:
            return captured(settings, place, options, folder)
    except RefusedError as error:
        complain("error: %s" % error)
        return WRONG
    except OSError as error:
        complain("error: %s: %s" % (error.filename or place.root, error.strerror or error))
        return WRONG
    except KeyboardInterrupt:
        complain("stopped; nothing was written")
        return INTERRUPTED


def parsed(arguments, settings, script):
    """Return the options; wrong ones end the script with status 2."""
    parser = argparse.ArgumentParser(
        prog=os.path.basename(script),
        description="Record what %s returns where it was made, and what that environment is."
        % settings["model"]["name"],
        epilog="exit status: 0 captured; 1 the model could not be loaded or run; "
        "2 the arguments or the files are not right",
    )
    parser.add_argument(
        "model_dir",
        nargs="?",
        default=os.path.dirname(script),
        metavar="MODEL_DIR",
        help="the model's folder, or the model file; default: the folder this script lies in",
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="what to compute on; default: cpu, as most environments it is compared with",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace what an earlier capture wrote"
    )
    return parser.parse_args(arguments)


def captured(settings, place, options, folder):
    """Run the model, write everything and return the exit status; `folder` is scratch space."""
    variables = variables_set(settings["variables"])
    digest = place.digest()
    if digest != settings["model"]["digest"]:
        say("note: the model's files here are not those this script was made from")
    report = Report(folder)
    try:
        request = run_model(settings, place, options.device, report)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit from a model's code
        return failed(report, error)
    written = Written(place, report, options.force)
    try:
        written.inputs(request)
        written.expected()
        written.lock()
        written.facts(captured_facts(settings, report, request, digest, variables))
        written.keep()
    finally:
        written.drop()
    tell(settings, place, report, request, written)
    return CAPTURED


def run_model(settings, place, device, report):
    """Go through the probe's own stages; return the request."""
    report.enter("start")
    learn_machine(report)
    report.enter("import")
    start = import_tensorflow(report, device)
    chosen = request_for(settings["requests"], start.tf.__version__)
    request, problem = asked(dict(chosen, device=device))
    if problem is not None:
        raise problem
    place.fill(request, report.directory)
    report.values["loader"] = request["loader"]
    run_attempt(start, request, report)
    return request


def request_for(requests, version):
    """Return the request for a TensorFlow version: the last one that is not of a newer."""
    here = [int(part) for part in re.findall(r"\d+", version)[:2]]
    return [each["request"] for each in requests if each["since"] <= here][-1]


def failed(report, error):
    """Say how far it came; return the exit status."""
    traceback.print_exception(type(error), error, error.__traceback__)
    complain(
        "error: not captured, as it failed at %s: %s: %s"
        % (report.values["stage"], type(error).__name__, error)
    )
    complain("  Nothing was written. Is this the Python the model was made with: %s?" % sys.prefix)
    return FAILED


def tell(settings, place, report, request, written):
    """Say what was captured."""
    say(
        "captured %s with TensorFlow %s, Python %s, loader %s"
        % (
            settings["model"]["name"],
            report.actual["tensorflow"],
            report.actual["python"],
            request["loader"],
        )
    )
    for name, what in written.done:
        say("  %-13s  %s" % (name, what))
    say("in %s" % place.root)
    for warning in report.warnings:
        say("note: %s" % warning)
    if report.values["deterministic"] is False:
        say("note: a second inference gave other numbers; expected.npz holds those of the first")


def say(text):
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text):
    """Print a line that is not a result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
