from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model.inspected import Inspected, Wiring
from harness.model.meta_graph import inspect_meta_graph, read_meta_graph
from harness.model.settings import Settings, load_settings
from tests.support.checkpoint_files import Checkpoint
from tests.support.graph_files import classifier, node, training, write_meta_graph
from tests.support.model_files import FLOAT, IMAGE, STRING

NAME_OTHERS = "; name others in model.yaml (`inputs.NAME.tensor`, `outputs.NAME.tensor`)"
COPY = "\n  hint: copy all files of the checkpoint: PREFIX.index and every PREFIX.data-..."


def write(folder: Path, *parts: Any, **options: Any) -> None:
    Checkpoint({"w": np.zeros((4, 1), np.float32)}).write(folder, "m")
    write_meta_graph(folder / "m.meta", *parts, **options)


def read(folder: Path, told: str = "") -> Inspected:
    (folder / "model.yaml").write_text(told)
    return inspect_meta_graph(folder, "m", load_settings(folder / "model.yaml"))


def problems(folder: Path, told: str = "") -> str:
    with pytest.raises(ModelError) as caught:
        read(folder, told)
    return str(caught.value).replace(str(folder), "M")


def test_saving_gradients_updates_and_labels_are_left_aside(tmp_path: Path) -> None:
    write(tmp_path)
    found = read(tmp_path)
    assert found.wiring == {"call": Wiring({"x": "x:0"}, {"pred": "pred:0"})}
    assert found.notes == (
        "outputs found in the graph: pred" + NAME_OTHERS,
        "not fed, as only training seems to need it: y",
    )
    assert (found.writer.tensorflow, found.producer, found.name_based) == ("1.15.0", 134, True)


def test_a_loss_can_be_asked_for(tmp_path: Path) -> None:
    write(tmp_path)
    found = read(tmp_path, "outputs: {loss: {tensor: loss/mean}}")
    assert found.wiring == {"call": Wiring({"x": "x:0", "y": "y:0"}, {"loss": "loss/mean:0"})}
    assert found.notes == ()


def test_signatures_come_before_guesses(tmp_path: Path) -> None:
    signatures: Any = {"serving_default": ({"x": (FLOAT, [-1, 4])}, {"pred": (FLOAT, None)})}
    write(tmp_path, signatures=signatures)
    found = read(tmp_path)
    assert [signature.name for signature in found.signatures] == ["serving_default"]
    assert found.wiring == {"serving_default": Wiring({"x": "x:0"}, {"pred": "pred:0"})}
    assert found.notes == ()
    told = read(tmp_path, "outputs: {loss: {tensor: loss/mean}}")
    assert [signature.name for signature in told.signatures] == ["call"]
    assert told.notes == ("its signatures are not used, as model.yaml names tensors",)


def test_a_signature_of_tensors_that_are_not_there(tmp_path: Path) -> None:
    write(tmp_path, signatures={"s": (IMAGE, {"pred": (FLOAT, None)})})
    assert (
        problems(tmp_path) == "M/m.meta signature 's', 'image': the graph has no tensor 'image:0'"
    )


def test_no_values_for_variables(tmp_path: Path) -> None:
    write_meta_graph(tmp_path / "m.meta")
    assert problems(tmp_path) == (
        "M: m.index is missing: the graph's variables have no values (w)" + COPY
    )


def test_nothing_to_restore(tmp_path: Path) -> None:
    write_meta_graph(tmp_path / "m.meta", classifier)
    assert read(tmp_path).notes[0] == "m.meta has no variables, so there is nothing to restore"


def test_values_in_the_old_format(tmp_path: Path) -> None:
    write_meta_graph(tmp_path / "m.meta")
    (tmp_path / "m-00000-of-00002").write_bytes(b"values")
    (tmp_path / "m-00001-of-00002").write_bytes(b"values")
    old = "the values of its variables are in TensorFlow's old format: m-00000-of-00002, m-00001"
    assert read(tmp_path).notes[0].startswith(old)
    (tmp_path / "m-00000-of-00002").unlink()
    assert problems(tmp_path) == "M: m-00000-of-00002 is missing" + COPY
    (tmp_path / "m-00001-of-00002").unlink()
    (tmp_path / "m").write_bytes(b"values")
    assert read(tmp_path).notes[0].endswith("old format: m")


def test_a_missing_shard_and_a_missing_output_come_together(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "m.data-00000-of-00001").unlink()
    assert problems(tmp_path, "outputs: {z: {tensor: prod}}") == (
        "M: m.data-00000-of-00001 is missing" + COPY + "\n"
        "M/model.yaml:1 outputs.z.tensor: the graph has no tensor 'prod'\n"
        "  hint: did you mean 'pred'?"
    )


def test_where_every_placeholder_looks_like_a_label_none_is(tmp_path: Path) -> None:
    def unused(graph: Any) -> None:
        node(graph, "x", "Placeholder", dtype=FLOAT)
        node(graph, "y", "Neg", "x", T=FLOAT)
        node(graph, "w", "VariableV2", dtype=FLOAT)

    write(tmp_path, unused)
    assert read(tmp_path).wiring == {"call": Wiring({"x": "x:0"}, {"y": "y:0"})}


def test_a_scope_with_variables_is_not_a_losss(tmp_path: Path) -> None:
    def scoped(graph: Any) -> None:
        node(graph, "model/x", "Placeholder", dtype=FLOAT)
        node(graph, "model/y", "Placeholder", dtype=FLOAT)
        node(graph, "model/w", "VarHandleOp", dtype=FLOAT)
        node(graph, "model/read", "ReadVariableOp", "model/w", dtype=FLOAT)
        node(graph, "model/pred", "MatMul", "model/x", "model/read", T=FLOAT)
        node(graph, "model/loss", "Sub", "model/pred", "model/y", T=FLOAT)

    write(tmp_path, scoped)
    assert list(read(tmp_path).wiring["call"].fetches) == ["model/pred"]


def test_a_user_may_call_a_scope_save(tmp_path: Path) -> None:
    def saved(graph: Any) -> None:
        node(graph, "save/x", "Placeholder", dtype=STRING)
        node(graph, "save/y", "Identity", "save/x", T=STRING)

    write(tmp_path, saved)
    assert list(read(tmp_path).wiring["call"].fetches) == ["save/y"]


def test_the_graph_may_be_in_two_parts(tmp_path: Path) -> None:
    one = write_meta_graph(tmp_path / "one.meta", training).read_bytes()
    two = write_meta_graph(tmp_path / "two.meta", classifier_elsewhere).read_bytes()
    (tmp_path / "m.meta").write_bytes(one + two)
    meta = read_meta_graph(tmp_path / "m.meta")
    assert {"pred", "elsewhere"} <= set(meta.graph.nodes)


def classifier_elsewhere(graph: Any) -> None:
    node(graph, "elsewhere", "Neg", "x", T=FLOAT)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=5),
    cut=st.integers(0, 2**20),
)
def test_damaged_graphs_raise_nothing_else(
    tmp_path: Path, changes: list[tuple[int, int]], cut: int
) -> None:
    signatures: Any = {"s": ({"x": (FLOAT, [-1, 4])}, {"pred": (FLOAT, None)})}
    write(tmp_path, signatures=signatures if cut % 2 else None)
    data = bytearray((tmp_path / "m.meta").read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    (tmp_path / "m.meta").write_bytes(data[: cut % len(data)] if cut % 3 == 0 else data)
    with suppress(ModelError):
        found = inspect_meta_graph(tmp_path, "m", Settings())
        assert set(found.wiring) == {signature.name for signature in found.signatures}
