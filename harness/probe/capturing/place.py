"""The folder of the model: what must be there, what may not be there yet, and the digest."""

import hashlib
import os
import shutil

FEW = 3
OUTPUTS = ("expected.npz", "captured.lock", "captured.json")


class RefusedError(Exception):
    """The files are not right; the text says which, and what to do."""


class Place:
    """Where the model and what belongs to it lie on this machine."""

    def __init__(self, settings, model_dir):
        path = os.path.abspath(model_dir)
        self.folder = os.path.dirname(path) if os.path.isfile(path) else path
        self.settings = settings
        self.root = self.path(settings["root"])

    def path(self, relative):
        """Return the full path of what is named relative to the model's folder."""
        return os.path.normpath(os.path.join(self.folder, *relative.split("/")))

    def output(self, name):
        """Return the path of a file to write."""
        return os.path.join(self.root, name)

    def check(self, force):
        """Raise `RefusedError` with everything that keeps the model from being captured here."""
        if not os.path.isdir(self.folder):
            raise RefusedError("%s: there is no such folder" % self.folder)
        needed = list(self.settings["model"]["files"].values())
        needed += self.settings["files"].values()
        missing = [path for path in map(self.path, needed) if not os.path.isfile(path)]
        if missing:
            raise RefusedError(
                "%s: not the folder this script was made for, it lacks %s\n  Name the model's "
                "folder, or make a new script of it with `harness capture MODEL_DIR`."
                % (self.folder, listed(missing))
            )
        there = [self.output(name) for name in OUTPUTS if os.path.lexists(self.output(name))]
        if there and not force:
            raise RefusedError("there already: %s\n  --force replaces them." % listed(there))

    def digest(self):
        """Return the sha256 over the model's own files, as the harness has it."""
        result = hashlib.sha256()
        for name, relative in sorted(self.settings["model"]["files"].items()):
            head = "%s  " % file_digest(self.path(relative))
            result.update(head.encode("ascii") + os.fsencode(name) + b"\0")
        return result.hexdigest()

    def fill(self, request, scratch):
        """Put this machine's paths into a request; inputs that are there are used.

        Code is copied to a folder of its own, where its files find each other and nothing else, as
        in every other environment.
        """
        code = os.path.join(scratch, "files")
        os.mkdir(code)
        paths = {}
        for name, relative in self.settings["files"].items():
            paths["{files}/" + name] = self.path(relative)
            if name.endswith(".py"):
                paths["{files}/" + name] = shutil.copy(self.path(relative), code)
        for key, value in request.items():
            if isinstance(value, str) and value in paths:
                request[key] = paths[value]
        model = self.path(self.settings["model"]["path"])
        request["model"] = request["model"].replace("{model}", model, 1)
        if request["raw"] is None and os.path.lexists(self.output("inputs.npz")):
            request["inputs"] = self.output("inputs.npz")  # also those of an earlier capture


def file_digest(path):
    """Return the sha256 of a file, which may be larger than memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def listed(paths):
    """Return a few paths in words."""
    more = " and %d more" % (len(paths) - FEW) if len(paths) > FEW else ""
    return ", ".join(paths[:FEW]) + more
