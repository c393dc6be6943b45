"""Judging: large outputs in saved files, and many small ones."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from turns import seconds, side_by_side

from harness.judge.compare import compare
from harness.npz import open_npz
from harness.observation import TensorFacts
from harness.store.saved import MAX_ARRAY_BYTES, LazyArrays
from harness.tensor import NumericTensor, Tensor, decode_outputs

__all__ = ["judging"]

CLASSES = 1024
SAMPLES = 1 << 16
SAMPLES_OF_LARGE = 1 << 20
"""Rows of outputs that take 4 GiB as float32."""
CELLS, OUTPUTS = 200, 50
_ROWS = 1 << 12


def judging(*, large: bool) -> None:
    """One output of 268 MB (`large`: of 4.3 GB) in saved files, then many small ones."""
    samples = SAMPLES_OF_LARGE if large else SAMPLES
    for aligned in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            _one_output(Path(folder), samples, aligned=aligned)
    many_outputs()


def _one_output(folder: Path, samples: int, *, aligned: bool) -> None:
    """Every metric over mapped files, against the single pass that only finds the largest."""
    write(folder, samples, aligned=aligned)
    title = (
        f"judging one output of {4 * samples * CLASSES / 1e9:.2f} GB,"
        f" {'aligned in its file' if aligned else 'as the probe writes it'}"
        " (plain: np.max(np.abs(actual - reference)) over the same mapped files)"
    )
    # A process of its own, in which nothing else was done.
    shown = subprocess.run(
        [sys.executable, __file__, folder], check=True, capture_output=True, text=True
    )
    turns = 3 if samples > SAMPLES else 5
    side_by_side(title, lambda: judge(folder), lambda: plain(folder), turns=turns)
    side_by_side(
        "  the same with the decisions of each row",
        lambda: judge(folder, decide=True),
        lambda: plain(folder),
        turns=turns,
    )
    print(shown.stdout, end="", flush=True)


def judge(folder: Path, *, decide: bool = False) -> None:
    """Compare two saved files, each mapped anew."""
    found = compare(load(folder / "actual.npz"), load(folder / "reference.npz"), {}, decide=decide)
    output = found.outputs["y0"]
    assert output.status == "diverged"
    assert output.p99_abs is not None
    assert output.worst is not None


def plain(folder: Path) -> None:
    """Find the largest difference, by hand."""
    a, b = (load(folder / name)["y0"] for name in ("actual.npz", "reference.npz"))
    assert isinstance(a, NumericTensor)
    assert isinstance(b, NumericTensor)
    assert np.max(np.abs(a.array - b.array)) > 0


def load(path: Path, shapes: Sequence[tuple[int, ...]] | None = None) -> Mapping[str, Tensor]:
    """Return the outputs of a file as the harness does when it judges a saved sweep.

    `shapes` are what the observation says of them; without it there is one, of any.
    """
    with open_npz(path, max_bytes=MAX_ARRAY_BYTES, what=path.name) as reader:
        facts = [
            TensorFacts(name=f"y{number}", dtype="float32", shape=[*shape])
            for number, shape in enumerate(shapes or [reader.header("output_0").shape])
        ]
        return decode_outputs(facts, LazyArrays(reader))


def write(folder: Path, samples: int, *, aligned: bool) -> None:
    """Write a reference, and what differs from it everywhere and here and there beyond tolerance.

    An .npz as the probe writes it has its arrays two bytes beside where a processor likes them;
    `aligned`: an extra field, which every reader skips, moves them.
    """
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({samples}, {CLASSES}), }}"
    start = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117).encode() + b"\n"
    files = [folder / "actual.npz", folder / "reference.npz"]
    rng = np.random.Generator(np.random.SFC64(0))
    with (
        zipfile.ZipFile(files[0], "w") as one,
        zipfile.ZipFile(files[1], "w") as other,
        one.open(_member(aligned), "w", force_zip64=True) as actual,
        other.open(_member(aligned), "w", force_zip64=True) as reference,
    ):
        actual.write(start)
        reference.write(start)
        for _ in range(0, samples, _ROWS):
            rows = rng.standard_normal((_ROWS, CLASSES), dtype=np.float32)
            reference.write(rows.data.cast("B"))
            rows += rng.standard_normal(rows.shape, dtype=np.float32) * np.float32(3e-5)
            actual.write(rows.data.cast("B"))


def _member(aligned: bool) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("output_0.npy")
    if aligned:
        # 30 bytes of header, 12 of name, 20 of zip64 and the 128 of the array's own are 190.
        member.extra = b"\xca\xfe" + (62).to_bytes(2, "little") + bytes(62)
    return member


def many_outputs() -> None:
    """Many cells with many small outputs, read and compared with one reference."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        tables = rng.random((OUTPUTS, 64, 10), dtype=np.float32)
        for cell in range(CELLS + 1):
            moved = tables + rng.standard_normal(tables.shape, dtype=np.float32) * np.float32(1e-6)
            np.savez(
                Path(folder, f"{cell}.npz"),
                **{f"output_{number}": table for number, table in enumerate(moved)},
            )
        shapes = [(64, 10)] * OUTPUTS
        reference = load(Path(folder, f"{CELLS}.npz"), shapes)

        def judged() -> None:
            for cell in range(CELLS):
                compare(load(Path(folder, f"{cell}.npz"), shapes), reference, {})

        took = seconds(judged)
    print(f"judging {CELLS} cells x {OUTPUTS} outputs [64, 10]: {took:.2f} s", flush=True)


def _peak() -> str:
    """Say how much memory this process had at the most, pages of mapped files among it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.split("\n") if line.startswith("VmHWM"))
    return f"{int(peak.split()[1]) * 1024 / 1e6:.0f} MB"


if __name__ == "__main__":
    before = _peak()
    judge(Path(sys.argv[1]), decide=True)
    print(f"  memory  {_peak()} resident at the most (VmHWM), of which {before} before it began")
