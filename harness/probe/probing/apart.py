"""Work in a process of its own, forked before TensorFlow computes and done when it is asked for.

A training step may crash where inference does not (2.15.1 with oneDNN does on a separable
convolution). It must cost itself only, and after TensorFlow has computed it is too late to fork.
"""

import collections
import json
import os
import select
import signal
import time

from probing.forking import forked, why_not_fork

Apart = collections.namedtuple("Apart", "process asking answers")
"""A process that waits; where it is asked, and where its answers come from (file descriptors)."""

CHUNK_BYTES = 65536


def waiting(work, log_path):
    """Return a process that waits to do `work(message, tell)`; None where forking is not safe.

    `tell` takes what is known so far, as often as there is more. What `work` prints goes to the
    file `log_path`. The process ends with this one.
    """
    if not hasattr(os, "fork") or why_not_fork() is not None:
        return None
    asked, asking = os.pipe()
    answers, answering = os.pipe()

    def wait():
        os.close(asking)
        os.close(answers)
        with os.fdopen(asked, encoding="utf-8") as stream:
            # Not until its end: a process that the model left running may hold the other end open.
            message = stream.readline()
        if message:  # else there is nobody left who will ask
            with os.fdopen(answering, "w", encoding="utf-8") as stream:
                work(json.loads(message), lambda facts: tell(stream, facts))
        return 0

    process = forked(wait, log_path)
    os.close(asked)
    os.close(answering)
    return Apart(process, asking, answers)


def tell(stream, facts):
    """Send what is known so far."""
    stream.write(json.dumps(facts) + "\n")
    stream.flush()


def answer(apart, message, limit_seconds):
    """Ask a waiting process; return the last it told ({} if nothing) and why it ended, or None."""
    os.write(apart.asking, json.dumps(message).encode("utf-8") + b"\n")
    os.close(apart.asking)
    text, in_time = read_all(apart.answers, time.monotonic() + limit_seconds)
    os.close(apart.answers)
    if not in_time:
        os.kill(apart.process, signal.SIGKILL)
    _, status = os.waitpid(apart.process, 0)
    whole = text[: text.rfind(b"\n") + 1].splitlines()
    facts = json.loads(whole[-1].decode("utf-8")) if whole else {}
    if not in_time:
        return facts, "was given up after %d seconds" % limit_seconds
    if os.WIFSIGNALED(status):
        return facts, "ended by %s" % signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return facts, "ended with status %d" % code if code else None


def read_all(descriptor, until):
    """Return what comes before its end, and whether that came in time (of the monotonic clock)."""
    chunks = []
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return b"".join(chunks), False
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            return b"".join(chunks), True
        chunks.append(chunk)


def dismiss(apart):
    """End a process that is not needed, where there is one."""
    if apart is None:
        return
    os.close(apart.asking)
    os.close(apart.answers)
    os.kill(apart.process, signal.SIGKILL)
    os.waitpid(apart.process, 0)
