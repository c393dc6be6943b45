"""`report.json`: what is known so far, written on entering every stage."""

import json
import os
import re
import sys
import traceback

TEXT_LIMIT = 30000


class Report:
    """`report.json`, as far as it is known."""

    def __init__(self, directory):
        self.directory = directory
        self.inherited_bytes = 0
        self.actual = {}
        self.seconds = {
            "build": None,
            "import": None,
            "load": None,
            "infer": None,
            "preprocess": None,
        }
        self.warnings = []
        self.values = {
            "schema": 1,
            "stage": "start",
            "completed": False,
            "failure": None,
            "loader": "",
            "actual": self.actual,
            "packages": {},
            "signature": None,
            "inputs": [],
            "inputs_digest": None,
            "inputs_generated": False,
            "preprocessed": None,
            "outputs": [],
            "deterministic": None,
            "variations": [],
            "restored": None,
            "training": None,
            "cuda": None,
            "seconds": self.seconds,
            "peak_memory_bytes": None,
            "warnings": self.warnings,
        }

    def path(self, name):
        """Return the path of a file in the attempt's folder."""
        return os.path.join(self.directory, name)

    def learn(self, other):
        """Take over what another report knows of the machine and of TensorFlow."""
        if other is not self:
            self.actual.update(other.actual)
            self.seconds["import"] = other.seconds["import"]
            self.warnings[:] = other.warnings
            self.values["packages"] = other.values["packages"]

    def enter(self, stage):
        """Say that `stage` begins, with everything known so far."""
        self.values["stage"] = stage
        self.write()

    def fail(self, error):
        """Record the exception the stage ended with."""
        try:
            message = str(error)
        except Exception:
            message = "(the exception has no text)"
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.values["failure"] = {
            "type": type(error).__name__,
            "message": shorten(message),
            "traceback": shorten(text),
        }
        self.write()

    def complete(self):
        """Say that the outputs are written; what is learnt from here on is told beside them."""
        self.write()  # with the memory that was needed until now
        self.values["completed"] = True
        self.write()

    def write(self):
        """Replace the file as a whole: a reader never sees half of it.

        Memory is what it took to complete: neither variations nor training count.
        """
        if not self.values["completed"]:
            self.values["peak_memory_bytes"] = peak_memory_bytes(self.inherited_bytes)
        text = json.dumps(self.values, indent=1, ensure_ascii=False)
        temporary = self.path(".report.json.part")
        with open(temporary, "wb") as stream:
            stream.write(text.encode("utf-8", "replace"))  # a lone surrogate is not valid JSON
        os.replace(temporary, self.path("report.json"))


def peak_memory_bytes(inherited_bytes):
    """Return the most memory that was resident so far.

    A forked process has TensorFlow's code in memory only as far as it used it itself. The
    `inherited_bytes` of files that were resident where it was forked are part of its peak all the
    same: it would need them if it had been started by itself.
    """
    facts = memory_facts()  # unlike ru_maxrss, not begun with the size of who started the process
    if "VmHWM" in facts:
        return facts["VmHWM"] + max(0, inherited_bytes - facts.get("RssFile", 0))
    try:
        import resource
    except ImportError:  # Windows, where models are captured too
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_file_bytes():
    """Return the memory that holds parts of files, such as libraries; 0 where it is not told."""
    return memory_facts().get("RssFile", 0)


def memory_facts():
    """Return what the kernel tells of this process's memory, in bytes, by its names (proc(5))."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as stream:
            found = re.findall(r"^(\w+):\s+(\d+) kB$", stream.read(), re.M)
    except OSError:
        return {}
    return {name: int(number) * 1024 for name, number in found}


def shorten(text):
    """Return `text` with its middle left out where it is very long: the end matters most."""
    if len(text) <= TEXT_LIMIT:
        return text
    head, tail = TEXT_LIMIT // 3, TEXT_LIMIT - TEXT_LIMIT // 3
    note = "\n[... %d characters left out ...]\n" % (len(text) - TEXT_LIMIT)
    return text[:head] + note + text[-tail:]


def text_of(value):
    """Return `value` as text; None stays None."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
