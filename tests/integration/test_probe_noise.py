"""Variations of the inference in real environments, and what the judge makes of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from harness.judge.judge import judge
from harness.npz import read_npz
from harness.observation import Ending, TensorFacts, Variation
from harness.plan.plan import PlannedCell
from harness.sweep.observe import Asked as HarnessAsked
from harness.sweep.observe import observe_run
from harness.tensor import NumericTensor, Tensor, decode_outputs
from harness.verdict import Judgement, Reference, Verdict
from tests.integration.engine_contract import MEGABYTE
from tests.integration.probe_places import FILES, RELEASES, Asked, Seen, base, place, run
from tests.support.fakes import cell
from tests.support.observed import seen as seen_of

pytestmark = pytest.mark.tensorflow

__all__ = ["base"]

MAKER = Path(__file__).with_name("probe_noise_models.py")
CHAOS = {"ranges": {"x": [0.1, 0.9]}}
TIE = {"ranges": {"x": [0.4999999, 0.5000001]}, "batch_size": 64}
TWO = {"intra_op_threads": 2, "inter_op_threads": 2}
LIMITS = {"timeout_seconds": 180, "output_bytes": 100 * MEGABYTE}


def asked(model: str, noise: str, **request: object) -> Asked:
    return Asked(
        f"noise/{model}", "saved_model.load", request={**LIMITS, "noise": noise, **request}
    )


ASKED = {
    "off": asked("network", "off"),
    "quick": asked("network", "quick"),
    "full": asked("network", "full"),
    "session": Asked("noise/network", "session", request={**LIMITS, "noise": "full", **TWO}),
    "dropout": asked("dropout", "quick"),
    "chaos": asked("chaos", "quick", **CHAOS),
    "nearest": asked("nearest", "full", **TIE),
    "centred": asked("centred", "quick"),
    "late": asked("network", "quick", timeout_seconds=1),
    "small": asked("network", "full", output_bytes=1000),
}


def made(version: str) -> Path:
    """Return the folder of models of a release, in which those of this module are."""
    here = place(version)
    folder = here.models / "noise"
    if not folder.exists():
        folder.mkdir()
        python = Path(here.environment.location) / "bin" / "python"
        told = {"CUDA_VISIBLE_DEVICES": "-1", "HOME": str(here.folder)}
        subprocess.run([python, MAKER, folder], env=told, check=True, capture_output=True)
    return folder


@cache
def seen(version: str) -> dict[str, Seen]:
    """What the probe saw in one run for all tests."""
    made(version)
    return run(version, ASKED)


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def variations(here: Seen) -> dict[str, Variation]:
    assert here.report.completed, here.outcome.log
    return {one.name: one for one in here.report.variations}


def arrays(facts: Sequence[TensorFacts], path: Path) -> dict[str, Tensor]:
    return decode_outputs(facts, read_npz(path, max_bytes=MEGABYTE, what=path.name))


def tensors(here: Seen, name: str) -> dict[str, Tensor]:
    return arrays(here.report.outputs, here.folder / f"variation-{name}.npz")


def judged(version: str, here: Seen, reference: dict[str, Tensor] | None = None) -> Judgement:
    """Judge an attempt beside a reference of its own outputs, or another."""
    the_cell = cell(version, RELEASES[version][0])
    told = HarnessAsked(
        cell=the_cell.id,
        key="key",
        engine="venv",
        loader=here.report.loader,
        output_bytes=100 * MEGABYTE,
    )
    observation, _ = observe_run(told, here.outcome, here.folder)
    outputs = here.outputs
    (found,) = judge(
        [PlannedCell(cell=the_cell)],
        seen_of(
            [observation],
            lambda _: outputs,
            repeat=lambda one: arrays(one.outputs, here.folder / "repeat.npz"),
            variation=lambda _, name: tensors(here, name),
        ),
        Reference(cell=None, why=""),
        outputs if reference is None else reference,
        reference_inputs=None,
        tolerances={},
        labels=None,
    )
    return found


def shifted(here: Seen, by: float) -> dict[str, Tensor]:
    """Return outputs that lie `by` above those that were seen."""
    return {
        name: NumericTensor(tensor.dtype, tensor.array + tensor.array.dtype.type(by))
        for name, tensor in here.outputs.items()
        if isinstance(tensor, NumericTensor)
    }


def test_off_is_what_there_always_was(version: str) -> None:
    here = seen(version)["off"]
    assert here.report.variations == []
    assert not list(here.folder.glob("variation-*"))


def test_quick_moves_a_network_by_a_few_units_in_the_last_place(version: str) -> None:
    here = seen(version)["quick"]
    found = variations(here)
    assert list(found) == ["ulp-1", "batch-split"]
    assert (found["ulp-1"].same, found["ulp-1"].problem) == (False, None)
    assert found["batch-split"].problem is None
    floor = judged(version, here).noise_floor
    assert floor is not None
    assert floor.by.keys() == {"repeat", "ulp-1", "batch-split"}
    # Probabilities below 1: half a unit in the last place is 6e-8.
    assert 0 < floor.by["ulp-1"] < 1e-6
    assert floor.by["batch-split"] < 1e-6
    assert floor.max_abs == max(floor.by.values())
    assert (floor.by["repeat"], floor.not_counted) == (0, ())


def test_full_counts_threads_in_processes_of_their_own(version: str) -> None:
    here = seen(version)["full"]
    found = variations(here)
    here_done = ["ulp-1", "ulp-2", "ulp-3", "batch-split", "batch-one", "float64"]
    assert list(found) == [*here_done, "threads-1", "threads-n"]
    assert found["threads-1"].problem == "not done: the inference itself has one thread"
    assert [found[name].problem for name in (*here_done, "threads-n")] == [None] * 7
    assert (found["float64"].same, found["float64"].kept) == (False, True)
    assert "probe: threads-n: intra-op 2, inter-op 2\n" in here.outcome.log
    draws = [tensors(here, f"ulp-{draw}")["probabilities"] for draw in (1, 2, 3)]
    assert len({one.array.tobytes() for one in draws if isinstance(one, NumericTensor)}) == 3
    floor = judged(version, here).noise_floor
    assert floor is not None
    assert all(far < 1e-6 for far in floor.by.values())


def test_a_session_counts_threads_too(version: str) -> None:
    here = seen(version)["session"]
    found = variations(here)
    assert {one.problem for one in found.values()} == {None}
    assert "probe: threads-1: intra-op 1, inter-op 1\n" in here.outcome.log
    assert "probe: threads-n: intra-op 4, inter-op 4\n" in here.outcome.log


def test_a_network_within_its_noise_is_within_tolerance(version: str) -> None:
    here = seen(version)["quick"]
    assert judged(version, here).verdict is Verdict.IDENTICAL
    near = judged(version, here, shifted(here, 2.0**-20))
    assert (near.verdict, near.reason) == (Verdict.EQUIVALENT, None)
    assert judged(version, here, shifted(here, 1e-3)).verdict is Verdict.DIVERGED


def test_dropout_that_is_on_is_noisy(version: str) -> None:
    here = seen(version)["dropout"]
    assert here.report.deterministic is False
    found = judged(version, here)
    assert found.reason is not None
    assert found.reason.code == "nondeterministic"
    assert found.noise_floor is not None
    assert found.noise_floor.by["repeat"] > 0.1


def test_chaos_is_ill_conditioned(version: str) -> None:
    here = seen(version)["chaos"]
    assert here.report.deterministic is True
    found = judged(version, here, shifted(here, 0.01))
    assert found.verdict is Verdict.EQUIVALENT
    assert found.reason is not None
    assert found.reason.code == "ill-conditioned"
    assert found.noise_floor is not None
    assert found.noise_floor.by["ulp-1"] > 0.1
    assert found.divergence is not None
    assert found.divergence.outputs["y"].within == "noise"


def test_an_index_on_the_border_is_not_determined(version: str) -> None:
    here = seen(version)["nearest"]
    found = judged(version, here)
    assert (found.verdict, found.deterministic) == (Verdict.IDENTICAL, True)
    assert found.reason is not None
    assert found.reason.code == "ill-conditioned"
    assert re.fullmatch(
        r"one ULP of the inputs changes \d+ elements? of output 'class': .*", found.reason.message
    )


def test_what_depends_on_its_batch_has_no_floor_for_it(version: str) -> None:
    here = seen(version)["centred"]
    found = judged(version, here, shifted(here, 0.01))
    assert found.verdict is Verdict.DIVERGED
    assert found.noise_floor is not None
    assert found.noise_floor.not_counted == ("batch-split",)
    assert found.noise_floor.by["batch-split"] > 0.01
    assert found.noise_floor.max_abs < 1e-6


def test_a_budget_of_seconds_and_bytes_is_kept(version: str) -> None:
    late = variations(seen(version)["late"])
    assert all((one.problem or "").startswith("not done: it may take") for one in late.values())
    small = variations(seen(version)["small"])
    assert all((one.problem or "").startswith("not done: it may write") for one in small.values())
    assert len(small) == 8


@pytest.mark.parametrize("how", ["abort", "hang"])
def test_what_ends_the_process_costs_no_verdict(tmp_path: Path, how: str) -> None:
    """Weights of the first Keras, whose third call crashes, or is given up after 20 seconds."""
    made("2.4.4")
    build = tmp_path / "build.py"
    text = (FILES / "third_call.py").read_text()
    build.write_text(text.replace("HANGS = False", f"HANGS = {how == 'hang'}"))
    limits = {"noise": "quick", "timeout_seconds": 60, "output_bytes": MEGABYTE}
    one = Asked(
        "noise/third_call.weights.h5", "load_weights", files={"build.py": build}, request=limits
    )
    plain = Asked("noise/network", "saved_model.load")
    here = run("2.4.4", {"it": one, "after": plain}, cut_short=True)
    ending = Ending.SIGNAL if how == "abort" else Ending.EXIT
    assert here["it"].outcome.ending is ending
    (told,) = here["it"].report.variations
    assert told == Variation(name="ulp-1", problem="the process ended while it was done")
    assert here["it"].outputs["y"].shape == (3, 3)
    observed, _ = observe_run(
        HarnessAsked(
            cell="c", key="k", engine="venv", loader="load_weights", output_bytes=MEGABYTE
        ),
        here["it"].outcome,
        here["it"].folder,
    )
    how_said = "SIGABRT" if how == "abort" else "exit"
    said = f"the process ended by {how_said} after its results were written"
    assert (observed.ending, observed.warnings[-1]) == (Ending.COMPLETED, said)
    assert here["after"].report.completed
