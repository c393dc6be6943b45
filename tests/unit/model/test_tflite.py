from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.model import tflite_file
from harness.model.details import CustomOp, Fact, Operation, Quantisation, RandomOp, Variables
from harness.model.model import Signature, TensorSpec
from harness.model.tflite import inspect_tflite
from harness.model.tflite_details import tflite_details
from tests.support.tflite_files import (
    ADD,
    CONV_2D,
    CUSTOM,
    INT8,
    INT32,
    RANDOM_UNIFORM,
    STRING,
    UINT8,
    LiteGraph,
    LiteModel,
    LiteOperator,
    LiteSignature,
    LiteTensor,
    X,
    Y,
    conversion_metadata,
)

FULL = LiteModel(
    graphs=(
        LiteGraph(
            (
                LiteTensor("serving_x:0", (1, 4), INT8, (-1, 4), scales=(0.5,), zero_points=(-3,)),
                LiteTensor("y:0", (1, 2)),
                LiteTensor("kernel", (4, 2), buffer=1, scales=(0.1,) * 6, zero_points=(0,) * 6),
                LiteTensor("also the kernel", (8,), buffer=1),
            ),
            operators=(0, 1, 1, 2),
        ),
        LiteGraph((LiteTensor("z", (3,), INT32),), (0,), (0,), (1,)),
    ),
    operators=(
        LiteOperator(CONV_2D, version=2),
        LiteOperator(ADD),
        LiteOperator(CUSTOM, "Decode"),
    ),
    buffers=(b"", b"w" * 32, b"2.5.0".ljust(16, b"\0"), conversion_metadata("2.15.0")),
    metadata={"min_runtime_version": 2, "CONVERSION_METADATA": 3, "TFLITE_METADATA": 0},
    signatures=(
        LiteSignature("serving_default", {"x": 0}, {"y": 1}),
        LiteSignature("count", {"n": 0}, {"n": 0}, graph=1),
    ),
    description="MLIR Converted.",
)

FULL_DATA = FULL.data()


def written(tmp_path: Path, model: LiteModel | bytes) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(model if isinstance(model, bytes) else model.data())
    return path


def problem(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        inspect_tflite(path)
    return str(caught.value).removeprefix(str(path))


def spec(
    name: str, dtype: str = "float32", shape: tuple[int | None, ...] | None = (1, 4)
) -> object:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_declared_signatures_have_names_and_graphs_of_their_own(tmp_path: Path) -> None:
    found = inspect_tflite(written(tmp_path, FULL))
    assert found.signatures == (
        Signature(
            name="count", inputs=(spec("n", "int32", (3,)),), outputs=(spec("n", "int32", (3,)),)
        ),
        Signature(
            name="serving_default",
            inputs=(spec("x", "int8", (None, 4)),),
            outputs=(spec("y", shape=(1, 2)),),
        ),
    )
    assert found.writer.tensorflow == "2.15.0"


def test_without_signatures_the_first_graph_is_called_by_its_tensors(tmp_path: Path) -> None:
    found = inspect_tflite(written(tmp_path, LiteModel()))
    assert found.signatures == (Signature(name="call", inputs=(spec("x"),), outputs=(spec("y"),)),)
    assert found.writer.tensorflow is None


def test_names_that_come_again_or_are_empty(tmp_path: Path) -> None:
    same = LiteTensor("x", (2,))
    graph = LiteGraph((X, same, LiteTensor(None), LiteTensor("")), (0, 1, 0), (2, 3))
    (signature,) = inspect_tflite(written(tmp_path, LiteModel(graphs=(graph,)))).signatures
    assert signature.inputs == (spec("x"), spec("x_1", shape=(2,)), spec("x_2"))
    assert signature.outputs == (spec("tensor_2"), spec("tensor_3"))


@pytest.mark.parametrize(
    ("tensor", "shape"),
    [
        (LiteTensor("x", ()), None),
        (LiteTensor("x", None), None),
        (LiteTensor("x", (), has_rank=True), ()),
        (LiteTensor("x", (1, 2), signature=(-1, 2)), (None, 2)),
        (LiteTensor("x", (1, 2), signature=(-1,)), (1, 2)),
    ],
)
def test_shapes(tmp_path: Path, tensor: LiteTensor, shape: tuple[int | None, ...] | None) -> None:
    graph = LiteGraph((tensor, Y))
    (signature,) = inspect_tflite(written(tmp_path, LiteModel(graphs=(graph,)))).signatures
    assert signature.inputs == (spec("x", shape=shape),)


@pytest.mark.parametrize(
    ("number", "name"), [(STRING, "string"), (UINT8, "uint8"), (20, "uint4"), (99, "unknown")]
)
def test_types(tmp_path: Path, number: int, name: str) -> None:
    graph = LiteGraph((replace(X, dtype=number), Y))
    (signature,) = inspect_tflite(written(tmp_path, LiteModel(graphs=(graph,)))).signatures
    assert signature.inputs[0].dtype == name


def test_what_there_is_to_show(tmp_path: Path) -> None:
    found = tflite_details(written(tmp_path, FULL))
    assert found.written == (
        Fact(key="TFLite schema", value="3"),
        Fact(key="description", value="MLIR Converted."),
        Fact(key="converted by TensorFlow", value="2.15.0"),
        Fact(key="oldest runtime", value="2.5.0"),
        Fact(key="metadata", value="CONVERSION_METADATA, TFLITE_METADATA, min_runtime_version"),
    )
    assert found.operations == (
        Operation(name="ADD", count=3, version=1),
        Operation(name="CONV_2D", count=1, version=2),
        Operation(name="Decode", count=1, version=1),
    )
    assert found.functions == 1
    assert found.custom_ops == (
        CustomOp(
            name="Decode",
            count=1,
            why="a custom operator: the program that runs the model has to bring it",
        ),
    )
    assert found.constants == Variables(count=1, parameters=8, bytes=32)
    assert found.quantisations == (
        Quantisation(tensor="serving_x:0", scales=(0.5,), zero_points=(-3,)),
    )


def test_custom_operators_that_something_brings(tmp_path: Path) -> None:
    model = LiteModel(
        graphs=(LiteGraph((X, Y), operators=(0, 1, 2)),),
        operators=(
            LiteOperator(CUSTOM, "FlexErf"),
            LiteOperator(CUSTOM, "TFLite_Detection_PostProcess"),
            LiteOperator(RANDOM_UNIFORM),
        ),
    )
    found = tflite_details(written(tmp_path, model))
    assert [(op.name, op.why) for op in found.custom_ops] == [
        ("FlexErf", "an operation of TensorFlow: it needs the Flex delegate, which tf.lite brings"),
        ("TFLite_Detection_PostProcess", "a custom operator that the interpreter has by itself"),
    ]
    assert found.random_ops == (RandomOp(name="RANDOM_UNIFORM", count=1, used=1),)


def test_operators_that_came_later(tmp_path: Path) -> None:
    operators = (LiteOperator(209), LiteOperator(999))
    model = LiteModel(graphs=(LiteGraph((X, Y), operators=(0, 1)),), operators=operators)
    names = [operation.name for operation in tflite_details(written(tmp_path, model)).operations]
    assert names == ["STABLEHLO_CASE", "operator 999"]


def test_scales_along_an_axis_are_cut_short(tmp_path: Path) -> None:
    many = LiteTensor("x", (6, 2), INT8, scales=(0.5,) * 6, zero_points=(0,) * 6, axis=0)
    model = LiteModel(graphs=(LiteGraph((many, Y)),))
    (found,) = tflite_details(written(tmp_path, model)).quantisations
    assert (found.scales, found.zero_points, found.axis) == ((0.5,) * 4, (0,) * 4, 0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LiteModel(graphs=()), ": is a TensorFlow Lite model without a graph"),
        (
            LiteModel(graphs=(LiteGraph((X,), (0,), (7,)),)),
            ": is damaged: it uses a tensor that it does not have",
        ),
        (
            LiteModel(graphs=(LiteGraph((X, Y), (-1,)),)),
            ": is damaged: it uses a tensor that it does not have",
        ),
        (
            LiteModel(signatures=(LiteSignature("s", {"x": 0}, {}, graph=3),)),
            ": is damaged: it uses a graph that it does not have",
        ),
        (b"\xff" * 4 + b"TFL3" + b"\xff" * 30, ": is damaged: it points outside itself"),
        (b"\x08\0\0\0TFLx", ": is not a TensorFlow Lite model"),
        (b"", ": is not a TensorFlow Lite model"),
    ],
)
def test_files_that_are_no_sound_model(
    tmp_path: Path, model: LiteModel | bytes, message: str
) -> None:
    found = problem(written(tmp_path, model))
    assert found == f"{message}\n  hint: copy or convert the model again"


def test_an_operator_that_is_not_listed(tmp_path: Path) -> None:
    path = written(tmp_path, LiteModel(graphs=(LiteGraph((X, Y), operators=(5,)),)))
    with pytest.raises(ModelError, match="it uses an operator that it does not list"):
        tflite_details(path)


def test_a_list_longer_than_the_file(tmp_path: Path) -> None:
    data = bytearray(LiteModel(graphs=(LiteGraph((X, Y), (0, 1), (0, 1)),)).data())
    place = data.index(struct.pack("<III", 2, 0, 1))
    data[place : place + 4] = struct.pack("<I", 2**31)
    assert "a list that is longer than the file" in problem(written(tmp_path, bytes(data)))


def test_a_name_longer_than_any(tmp_path: Path) -> None:
    model = LiteModel(graphs=(LiteGraph((LiteTensor("n" * 70_000), Y)),))
    assert "a text longer than any name" in problem(written(tmp_path, model))


def test_a_name_that_does_not_end(tmp_path: Path) -> None:
    data = bytearray(LiteModel(graphs=(LiteGraph((LiteTensor("unending"), Y)),)).data())
    place = data.index(b"unending")
    data[place - 4 : place] = struct.pack("<I", 5_000)
    assert "a text does not end within it" in problem(written(tmp_path, bytes(data)))


def test_the_same_graph_over_and_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each use of the same bytes counts, or few bytes could keep the reader busy for hours.
    monkeypatch.setattr(tflite_file, "_MAX_ENTRIES", 20_000)
    graph = LiteGraph((X, Y), operators=(0,) * 500)
    assert tflite_details(written(tmp_path, LiteModel(graphs=(graph,), listed=10))).functions == 9
    with pytest.raises(ModelError, match="lists more than any model does"):
        tflite_details(written(tmp_path, LiteModel(graphs=(graph,), listed=50)))


def test_what_is_no_file(tmp_path: Path) -> None:
    assert problem(tmp_path).startswith(": is not a regular file")
    assert "No such file" in problem(tmp_path / "nothing.tflite")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_is_an_error_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(FULL_DATA)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 4))
        number = data.draw(
            st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**31, 2**32 - 1]))
        )
        struct.pack_into("<I", content, place, number)
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("fuzz") / "m.tflite"
    path.write_bytes(content[: max(cut, len(content) - 40)])
    said = []
    for read in (inspect_tflite, tflite_details):
        try:
            read(path)
        except ModelError as error:
            said.append(str(error))
    assert all(text.startswith(f"{path}: ") for text in said)
    path.unlink()
