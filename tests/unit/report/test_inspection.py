from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.model.details import (
    CustomObject,
    CustomOp,
    Effect,
    Fact,
    FileEntry,
    Kind,
    Lambda,
    Named,
    Operation,
    Quantisation,
    RandomOp,
    Reach,
    Training,
    Variables,
)
from harness.model.inspection import BesideFile, Inspection
from harness.model.model import Format, Signature, TensorSpec, Writer
from harness.report.inspection import render_inspection, render_inspection_json
from harness.sizes import shown_size

EXPECTED = Path(__file__).parent / "expected"
IMAGE = TensorSpec(name="image", dtype="float32", shape=(None, 28, 28, 1))
LONG = TensorSpec(name="encoder/" + "block/" * 8 + "output", dtype="int8", shape=())
MODEL = Inspection(
    name="digits",
    path=Path("/models/digits"),
    prefix="",
    format=Format.SAVED_MODEL,
    why="the folder digits holds saved_model.pb",
    digest="ab" * 32,
    writer=Writer(tensorflow="2.12.0"),
    written=(
        Fact(key="TensorFlow", value="2.12.0"),
        Fact(key="git", value="v2.12.0-rc1-12-g0db597d0d75"),
        Fact(key="fingerprint", value=", ".join(f"part{n} 0123456789abcdef" for n in range(4))),
    ),
    files=(
        FileEntry(name="assets/vocabulary.txt", bytes=4),
        FileEntry(name="saved_model.pb", bytes=1_234_567),
    ),
    total_bytes=1_234_571,
    tags=(("serve",), ("gpu", "serve")),
    chosen_tags=("gpu", "serve"),
    signatures=(
        Signature(name="predict", inputs=(IMAGE,), outputs=(LONG,)),
        Signature(
            name="serving_default",
            inputs=(IMAGE, TensorSpec(name="ids", dtype="int64", shape=None)),
            outputs=(TensorSpec(name="scores", dtype="float32", shape=(None, 10)),),
        ),
    ),
    signature="serving_default",
    feeds={"image": "x:0"},
    fetches={"scores": "Softmax:0"},
    ranges={"ids": (0, 100)},
    loaders={
        "1.15": ("session",),
        "2.4": ("saved_model.load", "session"),
        "2.15": ("saved_model.load", "session"),
        "2.16": ("saved_model.load", "session", "TFSMLayer"),
        "2.16 with tf-keras": ("saved_model.load", "session", "TFSMLayer", "tf_keras.load_model"),
    },
    beside=(
        BesideFile(name="inputs.npz", path=Path("/models/inputs.npz"), purpose="what it is fed"),
        BesideFile(name="labels.npz", path=None, purpose="the right answers"),
        BesideFile(name="captured.json", path=None, purpose="where it was made"),
        BesideFile(name="build.py", path=None, purpose="makes the model", needed=True),
    ),
    operations=(
        Operation(name="MatMul", count=1_200),
        *(Operation(name=f"Operation{number}", count=2) for number in range(8)),
        Operation(name="ADD", count=1, version=2),
    ),
    functions=3,
    custom_ops=(CustomOp(name="Addons>GatherTree", count=1, why="of tensorflow-addons"),),
    random_ops=(
        RandomOp(name="RandomUniform", count=5, used=0),
        RandomOp(name="RandomStandardNormal", count=2, used=1),
        RandomOp(name="Multinomial", count=1),
    ),
    effects=(
        Effect(
            name="DebugIdentity",
            count=2,
            reach=(Reach.FILES, Reach.NETWORK),
            what="sends tensors to files or to a debugger's address",
            targets=("file:///tmp/t", "grpc://h:1"),
        ),
        Effect(name="RestoreV2", count=2, reach=(Reach.FILES,), what="reads tensors", saver=1),
        Effect(name="SaveV2", count=1, reach=(Reach.FILES,), what="writes tensors", saver=1),
    ),
    model_class="Functional",
    layers=(Named(name="InputLayer", count=1), Named(name="Blur", count=2)),
    custom_objects=(
        CustomObject(
            name="Acme>Blur",
            kind=Kind.LAYER,
            where=("blur_1", "blur_2"),
            why="registered in the package Acme",
        ),
    ),
    lambdas=(Lambda(layer="scale", bytecode=True, what="Python bytecode, 121 bytes"),),
    training=Training(
        optimizer="Adam",
        loss=("mse",),
        metrics=("acc", "mae"),
        variables=17,
        where="Keras metadata",
    ),
    variables=Variables(count=8, parameters=79_514, bytes=318_056),
    constants=Variables(count=14, parameters=51, bytes=5_110),
    quantisations=(
        Quantisation(tensor="image", scales=(0.5,), zero_points=(-3,)),
        Quantisation(tensor="", scales=(0.1, 0.2), zero_points=(0, 1), axis=3),
    ),
    notes=("version 1 is the only one", "something that takes " + "many " * 20 + "words to say"),
)


@pytest.mark.parametrize("width", [80, 200])
def test_the_whole_text(width: int) -> None:
    text = render_inspection(MODEL, width=width)
    assert text == (EXPECTED / f"inspection-{width}.txt").read_text()
    assert max(map(len, text.splitlines())) <= width


def test_what_is_not_there_takes_no_room() -> None:
    bare = Inspection(
        name="m",
        path=Path("/m"),
        prefix="ckpt-1",
        format=Format.CHECKPOINT,
        why="because",
        digest="0" * 64,
        writer=Writer(),
        files=(FileEntry(name="ckpt-1.index", bytes=1),),
        total_bytes=1,
        signatures=(),
        signature=None,
        chosen_tags=None,
        feeds={},
        fetches={},
        ranges={},
        loaders={"1.15": ("train.Checkpoint",), "2.16": ("train.Checkpoint",)},
        beside=(),
    )
    assert render_inspection(bare, width=100) == (
        "Model\n"
        "  name    m\n"
        "  path    /m/ckpt-1\n"
        "  format  checkpoint: because\n"
        f"  sha256  {'0' * 64}\n"
        "\n"
        "Files: 1 file, 1 byte\n"
        "  ckpt-1.index    1\n"
        "\n"
        "Loaders\n"
        "  TensorFlow 1.15 and newer  train.Checkpoint\n"
    )


def test_control_characters_are_not_obeyed() -> None:
    evil = "\x1b[31mred\x1b[0m\r\nforged: yes\u202e"
    named = MODEL.model_copy(
        update={
            "notes": (evil,),
            "written": (Fact(key=evil, value=evil),),
            "files": (FileEntry(name=evil, bytes=1),),
            "signatures": (
                Signature(name=evil, inputs=(TensorSpec(name=evil, dtype="x", shape=()),)),
            ),
            "custom_ops": (CustomOp(name=evil, count=1, why=evil),),
            "lambdas": (Lambda(layer=evil, bytecode=False, what=evil),),
        }
    )
    text = render_inspection(named, width=100)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not [line for line in text.splitlines() if line.startswith("forged")]


def test_long_lists_are_cut_short() -> None:
    tensors = tuple(TensorSpec(name=f"t{n}", dtype="float32", shape=()) for n in range(60))
    many = MODEL.model_copy(
        update={
            "files": tuple(FileEntry(name=f"f{n}", bytes=n) for n in range(22)),
            "signatures": (Signature(name="s", inputs=tensors),) * 21,
            "operations": tuple(Operation(name=f"Op{n}", count=1) for n in range(203)),
        }
    )
    text = render_inspection(many, width=100)
    assert "  and 2 more files\n" in text
    assert "    and 10 more tensors\n" in text
    assert "  and 1 more signature\n" in text
    assert "Op199 1 and 3 more" in " ".join(text.split())


def test_json_has_all_with_the_schema_first() -> None:
    text = render_inspection_json(MODEL)
    told = json.loads(text)
    assert list(told)[:5] == ["schema", "name", "path", "prefix", "format"]
    assert told["schema"] == 1
    assert Inspection.model_validate_json(text) == MODEL


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (335_012, "335 kB"),
        (999_400, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (10**16, "10000 TB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert shown_size(count) == words
