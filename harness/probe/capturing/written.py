"""The files of a capture: made whole beside their places, and put there all at once at the end."""

import json
import os
import shutil
import zipfile

from capturing.place import RefusedError

INPUTS = "inputs.npz"
EXPECTED = "expected.npz"
NOT_STORED = "%r is not in expected.npz: NumPy cannot store strings that end with zero bytes"


class Written:
    """What is written, with what was done in words."""

    def __init__(self, place, report, force):
        self.place = place
        self.report = report
        self.force = force
        self.done = []
        self.parts = []

    def inputs(self, request):
        """Write the inputs, where they are not the user's own."""
        path = self.place.output(INPUTS)
        if request["inputs"] is not None:
            self.done.append((INPUTS, "used as it is: %s" % request["inputs"]))
        elif request["raw"] is None:
            shutil.copyfile(self.report.path(INPUTS), self.part(INPUTS))
            self.done.append((INPUTS, "written: generated"))
        elif os.path.lexists(path) and is_recorded(path, self.preprocessed()):
            self.done.append((INPUTS, "kept: it is what preprocess.py returns"))
        elif os.path.lexists(path) and not self.force:
            raise RefusedError(
                "%s: is there already, and is not what preprocess.py returns here\n"
                "  --force replaces it." % path
            )
        else:
            shutil.copyfile(self.preprocessed(), self.part(INPUTS))
            self.done.append((INPUTS, "written: what preprocess.py made of raw.npz"))

    def preprocessed(self):
        """Return the path of what `preprocess.py` returned; an only input has the model's name."""
        path, named = self.report.path("preprocessed.npz"), self.report.path("named.npz")
        fed = self.report.values["inputs"]
        with zipfile.ZipFile(path) as given:
            names = given.namelist()
            if len(names) != 1 or len(fed) != 1:
                return path
            with zipfile.ZipFile(named, "w") as made:
                copy_array(given, names[0][: -len(".npy")], made, fed[0]["name"])
        return named

    def expected(self):
        """Write the outputs by name; only strings are ever held."""
        outputs, source = [], self.report.path("outputs.npz")
        with zipfile.ZipFile(source) as given, zipfile.ZipFile(self.part(EXPECTED), "w") as made:
            for index, fact in enumerate(self.report.values["outputs"]):
                name = "output_%d" % index
                if fact["dtype"] != "string":
                    copy_array(given, name, made, fact["name"])
                elif not write_strings(strings_of(source, name), fact["shape"], made, fact["name"]):
                    self.report.warnings.append(NOT_STORED % fact["name"])
                    continue
                outputs.append("%s %s %s" % (fact["name"], fact["dtype"], fact["shape"]))
        self.done.append((EXPECTED, "written: %s" % ", ".join(outputs)))

    def lock(self):
        """Write the packages that are installed."""
        packages = self.report.values["packages"]
        lines = ["%s==%s\n" % (name, packages[name]) for name in sorted(packages)]
        with open(self.part("captured.lock"), "w", encoding="utf-8") as stream:
            stream.writelines(lines)
        self.done.append(("captured.lock", "written: %d packages" % len(packages)))

    def facts(self, facts):
        """Write what this environment is."""
        with open(self.part("captured.json"), "w", encoding="utf-8") as stream:
            json.dump(facts, stream, indent=1)
            stream.write("\n")
        self.done.append(("captured.json", "written"))

    def part(self, name):
        """Return the path to write a file at, until all of them are whole."""
        path = self.place.output(name)
        self.parts.append((path + ".part", path))
        return path + ".part"

    def keep(self):
        """Put every file in its place."""
        for part, path in self.parts:
            os.replace(part, path)

    def drop(self):
        """Remove what was not kept."""
        for part, _ in self.parts:
            if os.path.lexists(part):
                os.remove(part)


def copy_array(given, name, made, new_name):
    """Copy an array from one archive to another under a new name, a piece at a time."""
    target = made.open(new_name + ".npy", "w", force_zip64=True)
    with target as copy, given.open(name + ".npy") as source:
        shutil.copyfileobj(source, copy, 1 << 20)


def strings_of(path, name):
    """Return the strings of an output, in C order."""
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        data, offsets = archive[name + ".data"].tobytes(), archive[name + ".offsets"].tolist()
    return [data[begin:end] for begin, end in zip(offsets, offsets[1:])]


def write_strings(strings, shape, made, name):
    """Add an array of fixed-width bytes to an archive; False where it would not be the same."""
    import numpy as np

    if any(string.endswith(b"\0") for string in strings):
        return False
    array = np.array(strings, dtype=bytes).reshape(shape)
    with made.open(name + ".npy", "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)
    return True


def same_arrays(first, second):
    """Tell whether two archives hold the same arrays, bit for bit."""
    import numpy as np

    with np.load(first, allow_pickle=False) as one, np.load(second, allow_pickle=False) as other:
        if sorted(one.files) != sorted(other.files):
            return False
        return all(same(one[name], other[name]) for name in one.files)


def is_recorded(path, source):
    """Tell whether a file of inputs holds what preprocess.py returned; anything may be in it."""
    try:
        return same_arrays(source, path)
    except Exception:
        return False


def same(one, other):
    """Tell whether two arrays are the same, bit for bit."""
    alike = one.dtype == other.dtype and one.shape == other.shape
    return alike and one.tobytes() == other.tobytes()
