"""What variations of an inference may take, so that they cost neither a verdict nor much time."""

import collections
import faulthandler
import os
import time
from contextlib import contextmanager

Level = collections.namedtuple("Level", "seconds inferences share")
"""Variations together take at most `seconds` and `inferences` times as long as the first one, and
no more than `share` of the time limit."""

LEVELS = {"quick": Level(5.0, 5.0, 0.25), "full": Level(60.0, 60.0, 0.5)}

LATEST = 0.75
"""Share of an attempt's time limit after which no variation begins: what follows needs some too."""

GRACE_SECONDS = 10.0
"""How long beyond its time a variation is waited for, before the process is ended."""

WIDER = 4
"""How many times as wide a float64 may be as the type of an output, float16."""

BYTES_SHARE = 0.5
"""Share of the output limit that all that an attempt writes may take, variations among it."""


class Budget:
    """What is left for variations in one attempt.

    Without a time limit or an output limit in the request, that one bounds nothing.
    """

    def __init__(self, request, report, started):
        """`started` is when the attempt began (of the monotonic clock), after the import."""
        level = LEVELS[request["noise"]]
        self.infer = report.seconds["infer"]
        allowed = level.seconds + level.inferences * self.infer
        if request["timeout_seconds"] is not None:
            gone = (report.seconds["import"] or 0.0) + time.monotonic() - started
            limit = request["timeout_seconds"]
            allowed = min(allowed, level.share * limit, LATEST * limit - gone)
        self.until = time.monotonic() + allowed
        self.folder = report.directory
        self.bytes = request["output_bytes"]
        self.each = os.path.getsize(report.path("outputs.npz"))

    def left(self):
        """Return the seconds that are left, which may be less than none."""
        return self.until - time.monotonic()

    def why_not(self, seconds, wide=False):
        """Return why what may take `seconds` and writes as much as the outputs is not to be done.

        `wide`: in types twice as wide or more. None where it is to be done.
        """
        each = self.each * (WIDER if wide else 1)
        if seconds > self.left():
            return "not done: it may take %.1f s, and %.1f s are left" % (
                seconds,
                max(0.0, self.left()),
            )
        if self.bytes is not None:
            room = int(BYTES_SHARE * self.bytes) - written_bytes(self.folder)
            if each > room:
                return "not done: it may write %d bytes, and %d may still be written" % (
                    each,
                    max(0, room),
                )
        return None

    @contextmanager
    def watched(self):
        """End this process where what is done within takes far longer than it may.

        Also where it hangs in compiled code, which no exception ends.
        """
        faulthandler.dump_traceback_later(max(0.0, self.left()) + GRACE_SECONDS, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def written_bytes(folder):
    """Return the bytes of the files in a folder."""
    paths = [os.path.join(folder, name) for name in os.listdir(folder)]
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
