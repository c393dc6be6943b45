"""Models that lie: reports, arrays and endings made up."""

from tests.hostile.attack import Attack

LEAVE = "    os._exit(0)\n"


def forger(name: str, does: str, code: str, verdict: str = "unknown", **more: str) -> Attack:
    """An attack that ends at once when all is forged."""
    if verdict == "unknown":
        more = {"reason": "invalid-report", **more}
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    return Attack(
        name=name,
        vehicle="build",
        does=does,
        code=f"def attack():\n{body}{LEAVE}",
        verdict=verdict,
        **more,
    )


ATTACKS = (
    forger("forges-numbers", "a whole report with other outputs", "forge()", "diverged"),
    forger("forges-loader", "a report about another loader", 'forge(loader="session")'),
    forger("forges-schema", "a report of another schema", "forge(schema=2)"),
    forger("forges-stage", "a report of no known stage", 'forge(stage="../../etc")'),
    forger("forges-depth", "JSON 100,000 deep", 'forge("[" * 100000)'),
    forger("forges-width", "a report of 17 MB", 'forge(json.dumps({"x": "y" * 17 * 2**20}))'),
    forger(
        "forges-a-gigabyte",
        "a report of 1 GB",
        'fill(OUT + "/report.json", 2**30)',
        "failed",
        reason="file-too-large/output-limit",  # whichever is seen first
    ),
    forger(
        "forges-infinity",
        "seconds that are not finite, numbers of 300 digits",
        'forge(seconds={"import": 1e999, "load": float("nan")}, peak_memory_bytes=10**300)',
    ),
    forger(
        "forges-shapes",
        "outputs of 10**18 elements",
        'forge(outputs=[{"name": "p", "dtype": "float32", "shape": [10**9, 10**9]}])',
    ),
    forger(
        "links-its-report",
        "report.json is a link to a file of the host",
        'os.remove(OUT + "/report.json"); os.symlink(MARKER, OUT + "/report.json")',
    ),
    forger(
        "links-its-outputs",
        "outputs.npz is a link to a file of the host",
        'forge(); os.remove(OUT + "/outputs.npz"); os.symlink(MARKER, OUT + "/outputs.npz")',
    ),
    forger(
        "pipes-its-report",
        "report.json is a pipe nobody writes to",
        'os.remove(OUT + "/report.json"); os.mkfifo(OUT + "/report.json")',
    ),
    forger(
        "packs-a-bomb",
        "outputs.npz unpacks to 512 MB",
        """
import zipfile
with zipfile.ZipFile(OUT + "/outputs.npz", "w", zipfile.ZIP_DEFLATED) as archive:
    with archive.open("output_0.npy", "w", force_zip64=True) as stream:
        for _ in range(512):
            stream.write(bytes(2**20))
forge(arrays=False)
""",
    ),
    forger(
        "pickles",
        "outputs.npz holds a pickle that runs a program",
        """
import numpy as np
class Evil:
    def __reduce__(self):
        return (os.system, ("touch " + MARKER + ".pickled",))
forge()
np.savez(OUT + "/outputs.npz", output_0=np.array([Evil()], dtype=object))
""",
    ),
    forger(
        "lies-in-its-header",
        "an array whose header says 10**18 elements",
        """
import io, zipfile
import numpy as np
forge()
head = io.BytesIO()
np.lib.format.write_array_header_1_0(
    head, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**9)})
with zipfile.ZipFile(OUT + "/outputs.npz", "w") as archive:
    archive.writestr("output_0.npy", head.getvalue())
""",
    ),
    forger(
        "says-it-ended",
        "a forged ended.json, and a process that goes on",
        """
forge()
if os.fork():
    with open(OUT + "/ended.json", "w") as stream:
        stream.write('{"schema": 1, "status": 0, "signal": null, "seconds": 1.0}')
    time.sleep(600)
while True:
    for name in set(os.listdir(os.path.dirname(OUT))) - {os.path.basename(OUT)}:
        try:
            open(os.path.join(os.path.dirname(OUT), name, "report.json"), "w").write("mine")
        except OSError:
            pass
""",
        "diverged",
    ),
)
