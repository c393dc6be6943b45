from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model.checkpoint import (
    CheckpointTensor,
    Slot,
    inspect_checkpoint,
    read_checkpoint_index,
    read_slots,
)
from harness.model.protos import BundleEntry, BundleHeader, TrackableObjectGraph
from harness.model.shards import shard_problems
from tests.support.checkpoint_files import Checkpoint, table
from tests.support.model_files import FLOAT

COPY = "\n  hint: copy all files of the checkpoint: PREFIX.index and every PREFIX.data-..."
TENSORS = {
    "dense/kernel": np.zeros((4, 2), np.float32),
    "dense/bias": np.zeros(2, np.float32),
    "step": np.array(7, np.int64),
}


def problem(function: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(ModelError) as caught:
        function(*args)
    return str(caught.value)


def objects() -> bytes:
    """Return a graph of a variable with momentum; its root is a model."""
    graph = TrackableObjectGraph()
    root, kernel, momentum = (graph.nodes.add() for _ in range(3))
    root.children.add(node_id=1, local_name=b"kernel")
    for node, key in ((kernel, b"kernel/.ATTRIBUTES/VALUE"), (momentum, b"kernel/.SLOT/momentum")):
        node.attributes.add(name=b"VARIABLE_VALUE", full_name=b"k", checkpoint_key=key)
    slots = root.slot_variables
    slots.add(original_variable_node_id=1, slot_name=b"momentum", slot_variable_node_id=2)
    slots.add(original_variable_node_id=1, slot_name=b"lost", slot_variable_node_id=99)
    slots.add(original_variable_node_id=0, slot_name=b"rootless", slot_variable_node_id=2)
    return bytes(graph.SerializeToString())


def test_a_name_based_checkpoint(tmp_path: Path) -> None:
    index = read_checkpoint_index(Checkpoint(TENSORS).write(tmp_path))
    assert index.tensors == {
        "dense/bias": CheckpointTensor("float32", (2,)),
        "dense/kernel": CheckpointTensor("float32", (4, 2)),
        "step": CheckpointTensor("int64", ()),
    }
    assert (index.object_based, index.num_shards) == (False, 1)
    assert inspect_checkpoint(tmp_path, "model.ckpt").name_based
    assert read_slots(tmp_path, "model.ckpt", index) == ()


def test_an_object_based_checkpoint_in_two_shards(tmp_path: Path) -> None:
    index = read_checkpoint_index(Checkpoint(TENSORS, objects(), shards=2).write(tmp_path))
    assert (index.object_based, index.num_shards) == (True, 2)
    assert list(index.tensors) == ["dense/bias", "dense/kernel", "step"]
    assert not inspect_checkpoint(tmp_path, "model.ckpt").name_based
    assert read_slots(tmp_path, "model.ckpt", index) == (
        Slot("kernel/.ATTRIBUTES/VALUE", "momentum", "kernel/.SLOT/momentum"),
    )


def test_slices_of_a_partitioned_variable_are_no_tensors(tmp_path: Path) -> None:
    header = BundleHeader(num_shards=1).SerializeToString()
    entry = BundleEntry(dtype=FLOAT).SerializeToString()
    path = tmp_path / "m.index"
    path.write_bytes(table([(b"", header), (b"\0\x01part", entry), (b"part", entry)]))
    assert list(read_checkpoint_index(path).tensors) == ["part"]


def test_missing_shards(tmp_path: Path) -> None:
    Checkpoint(TENSORS, shards=3).write(tmp_path)
    (tmp_path / "model.ckpt.data-00001-of-00003").unlink()
    assert problem(inspect_checkpoint, tmp_path, "model.ckpt") == (
        f"{tmp_path}: model.ckpt.data-00001-of-00003 is missing" + COPY
    )


def test_shards_of_another_count(tmp_path: Path) -> None:
    Checkpoint(TENSORS, shards=2).write(tmp_path)
    for number in range(2):
        shard = tmp_path / f"model.ckpt.data-0000{number}-of-00002"
        shard.rename(tmp_path / f"model.ckpt.data-0000{number}-of-00004")
    there = (
        "; there is model.ckpt.data-00000-of-00004, model.ckpt.data-00001-of-00004, of another "
        "count"
    )
    assert problem(inspect_checkpoint, tmp_path, "model.ckpt") == "\n".join(
        f"{tmp_path}: model.ckpt.data-0000{number}-of-00002 is missing{there}{COPY}"
        for number in range(2)
    )


def test_a_shard_that_is_cut_off(tmp_path: Path) -> None:
    Checkpoint(TENSORS).write(tmp_path)
    shard = tmp_path / "model.ckpt.data-00000-of-00001"
    os.truncate(shard, 20)
    assert problem(inspect_checkpoint, tmp_path, "model.ckpt") == (
        f"{shard}: is cut off: 20 of at least 48 bytes are there" + COPY
    )


def test_a_shard_that_is_only_a_pointer_is_told_elsewhere(tmp_path: Path) -> None:
    index = read_checkpoint_index(Checkpoint({"w": np.zeros(1000, np.float32)}).write(tmp_path))
    shard = tmp_path / "model.ckpt.data-00000-of-00001"
    shard.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    assert shard_problems(tmp_path, "model.ckpt", 1, index.shard_bytes) == []


def test_a_shard_that_is_a_link_out_of_the_folder(tmp_path: Path) -> None:
    Checkpoint(TENSORS).write(tmp_path / "m")
    shard = tmp_path / "m" / "model.ckpt.data-00000-of-00001"
    shard.rename(tmp_path / "data")
    shard.symlink_to(tmp_path / "data")
    assert problem(inspect_checkpoint, tmp_path / "m", "model.ckpt") == (
        f"{shard}: is a symbolic link that leaves {tmp_path / 'm'}" + COPY
    )


def damaged(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "m.index"
    path.write_bytes(data)
    return problem(read_checkpoint_index, path).removeprefix(f"{path}: ")


def header(**values: int) -> tuple[bytes, bytes]:
    return b"", BundleHeader(**values).SerializeToString()


def entry(**values: int) -> tuple[bytes, bytes]:
    return b"w", BundleEntry(dtype=FLOAT, **values).SerializeToString()


def with_size(size: int) -> tuple[bytes, bytes]:
    made = BundleEntry(dtype=FLOAT)
    made.shape.dim.add(size=size)
    return b"w", made.SerializeToString()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is damaged: it is cut off"),
        (bytes(100), "is damaged: it does not end like a table of tensors"),
        (table([]), "is damaged: it has no header"),
        (table([(b"w", b"")]), "is damaged: it has no header"),
        (table([header()]), "is damaged: it says that it has 0 shards"),
        (table([header(num_shards=2**31 - 1)]), "is damaged: it says that it has 2147483647"),
        (table([(b"", b"\x08")]), "is damaged: an entry of it cannot be read"),
        (
            table([header(num_shards=1), entry(shard_id=1)]),
            "is damaged: an entry of it points outside its shards",
        ),
        (
            table([header(num_shards=1), entry(size=-1)]),
            "is damaged: an entry of it points outside its shards",
        ),
        (
            table([header(num_shards=1), with_size(-1)]),
            "is damaged: an entry of it has an impossible shape",
        ),
        (
            table([(b"", b"\x0a\x02\x0a\x00")]),
            "is a checkpoint in TensorFlow's old format, V1, without its graph",
        ),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, data: bytes, said: str) -> None:
    assert damaged(tmp_path, data).startswith(said)


def test_an_absurd_offset_is_a_shard_that_is_cut_off(tmp_path: Path) -> None:
    Checkpoint(TENSORS).write(tmp_path)
    index = tmp_path / "model.ckpt.index"
    index.write_bytes(table([header(num_shards=1), entry(offset=2**62, size=2**62)]))
    assert "is cut off: 48 of at least 9223372036854775808 bytes are there" in problem(
        inspect_checkpoint, tmp_path, "model.ckpt"
    )


@pytest.mark.parametrize("graph", [b"", b"\n\x7f"])
def test_a_graph_of_objects_that_is_none(tmp_path: Path, graph: bytes) -> None:
    index = read_checkpoint_index(Checkpoint(TENSORS, objects()).write(tmp_path))
    shard = tmp_path / "model.ckpt.data-00000-of-00001"
    # The tensor begins with its length and a checksum of that.
    content = shard.read_bytes()
    start = content.index(objects())
    shard.write_bytes(content[:start] + graph.ljust(len(objects()), b"\xff"))
    assert problem(read_slots, tmp_path, "model.ckpt", index) == (
        f"{shard}: is damaged: the graph of objects cannot be read" + COPY
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=5),
    of_data=st.booleans(),
)
def test_damaged_checkpoints_raise_nothing_else(
    tmp_path: Path, changes: list[tuple[int, int]], of_data: bool
) -> None:
    index = Checkpoint(TENSORS, objects()).write(tmp_path)
    path = tmp_path / "model.ckpt.data-00000-of-00001" if of_data else index
    data = bytearray(path.read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    path.write_bytes(data)
    with suppress(ModelError):
        found = read_checkpoint_index(index)
        assert set(found.tensors) == set(TENSORS)  # what is damaged does not have its checksum
        assert len(read_slots(tmp_path, "model.ckpt", found)) <= 3
