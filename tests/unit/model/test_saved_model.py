from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ModelError
from harness.model.model import Signature, TensorSpec
from harness.model.protos import SavedModel, dtype_name
from harness.model.saved_model import inspect_saved_model
from tests.support.model_files import (
    BFLOAT16,
    FLOAT,
    FLOAT_REF,
    IMAGE,
    INT64,
    PROBABILITIES,
    STRING,
    add_graph,
    write_saved_model,
)


def problems(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        inspect_saved_model(folder)
    return str(caught.value).replace(str(folder), "M")


def test_signatures_and_writer(tmp_path: Path) -> None:
    signatures = {
        "serving_default": (
            {"b": (STRING, [-1]), "a": (BFLOAT16, [2, -1, 3])},
            {"y": (FLOAT, None), "x": (INT64, [])},
        ),
        "__saved_model_init_op": ({}, {"__saved_model_init_op": (0, None)}),
        "other": ({"r": (FLOAT_REF, [1])}, {}),
    }
    found = inspect_saved_model(write_saved_model(tmp_path / "m", signatures))
    assert found.writer.tensorflow == "2.10.1"
    assert found.writer.keras is None
    assert found.signatures == (
        Signature(name="other", inputs=(TensorSpec(name="r", dtype="float32", shape=(1,)),)),
        Signature(
            name="serving_default",
            inputs=(
                TensorSpec(name="a", dtype="bfloat16", shape=(2, None, 3)),
                TensorSpec(name="b", dtype="string", shape=(None,)),
            ),
            outputs=(
                TensorSpec(name="x", dtype="int64", shape=()),
                TensorSpec(name="y", dtype="float32", shape=None),
            ),
        ),
    )


def test_types_nobody_knows() -> None:
    assert [dtype_name(number) for number in (0, 99, 119, 120, 10_000, -1)] == [
        "unknown",
        "unknown",
        "float16",
        "resource",
        "unknown",
        "unknown",
    ]


def test_the_graph_for_serving_is_taken(tmp_path: Path) -> None:
    message = SavedModel()
    add_graph(message, {"t": ({}, {})}, tags=("train",), variables=False)
    add_graph(message, {"g": ({}, {})}, tags=("serve", "gpu"), variables=False)
    add_graph(message, {"s": ({}, {})}, tags=("serve",), variables=False)
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert [signature.name for signature in inspect_saved_model(tmp_path).signatures] == ["s"]


def test_an_only_graph_needs_no_tag(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m", {"default": (IMAGE, PROBABILITIES)}, tags=())
    found = inspect_saved_model(folder)
    assert found.signatures[0].name == "default"
    assert found.tags == ()


def test_several_graphs_and_none_to_serve(tmp_path: Path) -> None:
    message = SavedModel()
    add_graph(message, {}, tags=("train", "gpu"))
    add_graph(message, {}, tags=())
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert problems(tmp_path) == (
        "M/saved_model.pb: holds 2 graphs and none is tagged `serve`; tags: gpu, train; (none)\n"
        "  hint: name one's tags in model.yaml (`tags:`)"
    )


def test_the_graph_that_is_told_by_its_tags(tmp_path: Path) -> None:
    message = SavedModel()
    add_graph(message, {"t": ({}, {})}, tags=("train", "gpu"), variables=False)
    add_graph(message, {"s": ({}, {})}, tags=("serve",), variables=False)
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    found = inspect_saved_model(tmp_path, ["gpu", "train"])
    assert [signature.name for signature in found.signatures] == ["t"]
    assert found.tags == ("gpu", "train")
    assert inspect_saved_model(tmp_path).tags is None
    with pytest.raises(ModelError) as caught:
        inspect_saved_model(tmp_path, ["train"])
    assert str(caught.value) == (
        f"{tmp_path}/saved_model.pb: holds no graph tagged train\n  allowed: gpu, train; serve"
    )


@pytest.mark.parametrize(
    ("identifiers", "of_keras"),
    [
        ((b"_tf_keras_sequential", b"_generic_user_object"), True),
        ((b"_generic_user_object", b"_tf_keras_layer"), False),
        ((), False),
    ],
)
def test_whether_keras_wrote_it(
    tmp_path: Path, identifiers: tuple[bytes, ...], of_keras: bool
) -> None:
    message = SavedModel()
    graph = add_graph(message, {"s": ({}, {})}, variables=False)
    for identifier in identifiers:
        graph.object_graph_def.nodes.add().user_object.identifier = identifier
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert inspect_saved_model(tmp_path).keras is of_keras


def test_no_graph(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert problems(tmp_path) == (
        "M/saved_model.pb: holds no graph\n  hint: copy or save the model again"
    )


def test_a_damaged_graph(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    data = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").write_bytes(data[:-5])
    assert problems(folder) == (
        "M/saved_model.pb: is damaged: it cannot be read as a SavedModel\n"
        "  hint: copy or save the model again"
    )


def test_a_pointer_in_place_of_the_graph(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    )
    assert problems(tmp_path) == (
        "M/saved_model.pb: is a git-lfs pointer, not the file it stands for\n"
        "  hint: run `git lfs pull` where the model was checked out"
    )


def test_the_graph_is_a_link_out_of_the_folder(tmp_path: Path) -> None:
    real = write_saved_model(tmp_path / "real")
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "saved_model.pb").symlink_to(real / "saved_model.pb")
    assert problems(folder) == "M/saved_model.pb: is a symbolic link that leaves M"


WHOLE = "\n  hint: copy the whole directory of the model, with `variables` and `assets`"


def test_variables_without_their_folder(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    for file in (folder / "variables").iterdir():
        file.unlink()
    (folder / "variables").rmdir()
    assert problems(folder) == (
        "M: the model has variables, but there is no folder `variables`" + WHOLE
    )


def test_variables_of_the_object_graph_count(tmp_path: Path) -> None:
    message = SavedModel()
    graph = add_graph(message, {}, variables=False)
    graph.object_graph_def.nodes.add().variable.dtype = FLOAT
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert problems(tmp_path).startswith("M: the model has variables")


def test_variables_in_a_function_count(tmp_path: Path) -> None:
    message = SavedModel()
    graph = add_graph(message, {}, variables=False)
    graph.saver_def.restore_op_name = b"save/restore_all"
    graph.graph_def.library.function.add().node_def.add(name=b"v", op=b"VariableV2")
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert problems(tmp_path).startswith("M: the model has variables")


def test_a_model_without_variables_needs_no_folder(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m", variables=False)
    assert inspect_saved_model(folder).signatures


def test_variables_nothing_restores_need_no_folder(tmp_path: Path) -> None:
    message = SavedModel()
    graph = add_graph(message, {"s": ({}, {})}, variables=False)
    graph.graph_def.node.add(name=b"local", op=b"VariableV2")
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert inspect_saved_model(tmp_path).signatures


def test_missing_shards_and_index(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    variables = folder / "variables"
    (variables / "variables.index").unlink()
    (variables / "variables.data-00000-of-00001").rename(
        variables / "variables.data-00001-of-00003"
    )
    assert problems(folder) == "\n".join(
        f"M/variables: {name} is missing{WHOLE}"
        for name in (
            "variables.index",
            "variables.data-00000-of-00003",
            "variables.data-00002-of-00003",
        )
    )


def test_no_shard_at_all(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m")
    (folder / "variables" / "variables.data-00000-of-00001").unlink()
    assert problems(folder) == ("M/variables: variables.data-00000-of-00001 is missing" + WHOLE)


def test_names_no_terminal_should_obey(tmp_path: Path) -> None:
    folder = write_saved_model(
        tmp_path / "m", {"s": ({"a\x1b[2J": (FLOAT, [1])}, {})}, version="2.1\n0"
    )
    found = inspect_saved_model(folder)
    assert found.signatures[0].inputs[0].name == "a\ufffd[2J"
    assert found.writer.tensorflow == "2.1\ufffd0"


def test_shapes_no_tensor_has(tmp_path: Path) -> None:
    folder = write_saved_model(
        tmp_path / "m", {"s": ({"a": (FLOAT, [1] * 300), "b": (FLOAT, [-5, 2])}, {})}
    )
    assert [spec.shape for spec in inspect_saved_model(folder).signatures[0].inputs] == [
        None,
        (None, 2),
    ]
