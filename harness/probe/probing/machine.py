"""What can be known without NumPy and TensorFlow: interpreter, packages, processor, C library."""

import os
import platform
import re
import sys

INSTRUCTION_SETS = ("amx_tile", "avx512f", "avx2", "avx", "sse4_2", "sve", "asimd")


def learn_machine(report):
    """Record the interpreter, the packages, the processor and the C library."""
    report.actual["python"] = platform.python_version()
    report.actual["machine"] = platform.machine()
    report.actual["cpu"] = processor()
    report.actual["libc"] = c_library()
    report.values["packages"] = installed_packages(sys.path)


def installed_packages(folders):
    """Return {normalised name (PEP 503): version} of what is installed in `folders`.

    Read from the names of the metadata folders: `importlib.metadata` is not there before 3.8.
    """
    packages = {}
    for folder in folders:
        try:
            entries = sorted(os.listdir(folder or os.curdir))
        except OSError:
            continue
        for entry in entries:
            found = re.match(r"(.+?)-(.+?)(-py[\d.]+)?\.(dist|egg)-info$", entry)
            if found:
                name = re.sub(r"[-_.]+", "-", found.group(1)).lower()
                packages.setdefault(name, found.group(2))  # the first on the path is imported
    return packages


def processor():
    """Return the processor's name and the widest instruction set it offers, or None."""
    facts = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                key, _, value = line.partition(":")
                facts.setdefault(key.strip(), value.strip())
    except OSError:
        return platform.processor() or None
    offered = facts.get("flags", facts.get("Features", "")).split()
    widest = [name for name in INSTRUCTION_SETS if name in offered]
    name = facts.get("model name", platform.machine())
    return "%s (%s)" % (name, widest[0]) if widest else name


def c_library():
    """Return the C library that runs, such as `glibc 2.36`, or None."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return " ".join(part for part in platform.libc_ver() if part) or None
