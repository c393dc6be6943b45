"""A user's code beside the model: imported from its folder, and its results checked."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from probing.attempt import with_preprocessed
from probing.inputs import read_inputs
from probing.report import Report
from probing.requests import DEFAULTS
from probing.user_code import array_of, built_model, custom_objects, imported, preprocessed


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    """What a user's files leave behind is taken back."""
    path, written = list(sys.path), sys.dont_write_bytecode
    known = {name: sys.modules.get(name) for name in NAMES}
    yield
    sys.path[:], sys.dont_write_bytecode = path, written
    for name, module in known.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


NAMES = ("build", "custom_objects", "preprocess", "helper")


def write(folder: Path, **files: str) -> dict[str, Any]:
    """A request with these files."""
    request: dict[str, Any] = dict(DEFAULTS)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
        if name in request:
            request[name] = str(folder / f"{name}.py")
    return request


def test_files_can_import_each_other_also_later(tmp_path: Path) -> None:
    request = write(
        tmp_path,
        helper="ONE = 1",
        build="""
            import custom_objects
            def build_model():
                import helper
                return helper.ONE, custom_objects.Twice
        """,
        custom_objects="class Twice: pass",
    )
    assert built_model(scoped([]), request) == (1, custom_objects(request)["Twice"])
    assert not (tmp_path / "__pycache__").exists()


def scoped(entered: list[Any]) -> Any:
    """As much of TensorFlow as opens a scope of custom objects."""

    class Scope:
        def __init__(self, objects: Any) -> None:
            entered.append(objects)

        def __enter__(self) -> None:
            pass

        def __exit__(self, *error: object) -> None:
            pass

    utils = SimpleNamespace(custom_object_scope=Scope)
    return SimpleNamespace(keras=SimpleNamespace(utils=utils))


def test_a_model_is_built_in_the_scope_of_its_custom_objects(tmp_path: Path) -> None:
    entered: list[Any] = []
    request = write(tmp_path, build="def build_model(): return 5", custom_objects="def f(): pass")
    assert built_model(scoped(entered), request) == 5
    assert [list(objects) for objects in entered] == [["f"]]


def test_an_installed_module_of_the_same_name_is_not_taken(tmp_path: Path) -> None:
    other = ModuleType("build")
    other.__file__ = "/somewhere/else/build.py"
    sys.modules["build"] = other
    request = write(tmp_path, build="MINE = True")
    assert imported(request["build"]).MINE


def test_public_classes_and_functions_of_the_file_are_custom_objects(tmp_path: Path) -> None:
    request = write(
        tmp_path,
        custom_objects="""
            from collections import OrderedDict
            from os.path import join
            LIMIT = 3
            class Layer: pass
            class _Hidden: pass
            def loss(): pass
            def _helper(): pass
            instance = Layer()
        """,
    )
    assert sorted(custom_objects(request)) == ["Layer", "loss"]
    assert custom_objects(dict(DEFAULTS)) == {}


def test_a_dict_of_custom_objects_is_taken_as_it_is(tmp_path: Path) -> None:
    request = write(tmp_path, custom_objects="def f(): pass\nCUSTOM_OBJECTS = {'other>name': f}")
    assert list(custom_objects(request)) == ["other>name"]


def test_custom_objects_that_are_no_dict_are_an_error(tmp_path: Path) -> None:
    request = write(tmp_path, custom_objects="CUSTOM_OBJECTS = ['f']")
    with pytest.raises(ValueError, match=r"of custom_objects\.py is \['f'\], not a dict"):
        custom_objects(request)


def test_errors_of_the_code_are_its_own(tmp_path: Path) -> None:
    request = write(tmp_path, build="import no_such_module", preprocess="raise KeyError('x')")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        built_model(None, request)
    with pytest.raises(KeyError, match="x"):
        preprocessed(request)


def test_a_missing_file_or_function_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"put a build\.py with build_model\(\) beside it"):
        built_model(None, dict(DEFAULTS))
    request = write(tmp_path, build="model = 1")
    with pytest.raises(ValueError, match=r"build\.py has no function build_model\(\)"):
        built_model(None, request)


def raw(folder: Path, **arrays: np.ndarray) -> str:
    np.savez(folder / "raw.npz", **arrays)  # type: ignore[arg-type]
    return str(folder / "raw.npz")


def test_what_preprocess_returns_is_kept_by_name_and_fed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    request = write(
        tmp_path,
        preprocess="""
            def preprocess(raw):
                return {"y": raw["x"] / 2, "text": raw["words"]}
        """,
    )
    request["raw"] = raw(tmp_path, x=np.array([1, 2], np.uint8), words=np.array(["ä", "b"]))
    report = Report(str(out))
    fed = with_preprocessed(request, report)
    assert report.values["stage"] == "preprocess"
    assert report.values["preprocessed"] == [
        {"name": "text", "dtype": "string", "shape": [2]},
        {"name": "y", "dtype": "float64", "shape": [2]},
    ]
    assert report.seconds["preprocess"] is not None
    assert fed["inputs"] == str(out / "preprocessed.npz")
    text, values = read_inputs(fed["inputs"])
    assert text.array.tolist() == ["ä".encode(), b"b"]
    assert (values.name, values.array.tolist()) == ("y", [0.5, 1.0])


def test_a_bare_array_is_called_input(tmp_path: Path) -> None:
    request = write(tmp_path, preprocess="def preprocess(raw): return raw['x']")
    request["raw"] = raw(tmp_path, x=np.arange(3, dtype=np.float32))
    (tensor,) = preprocessed(request)
    assert (tensor.name, tensor.dtype, tensor.array.tolist()) == ("input", "float32", [0, 1, 2])


def test_strings_of_any_kind_are_bytes() -> None:
    assert array_of("s", np.array(["a", b"bc"], object)).tolist() == [b"a", b"bc"]
    assert array_of("s", np.array(["é", "b"], object)).tolist() == ["é".encode(), b"b"]
    assert array_of("s", np.zeros((0, 2), object)).dtype.kind == "S"


@pytest.mark.parametrize("value", [object(), None, [{}], np.zeros(1, "V3"), np.zeros(1, "M8[s]")])
def test_what_cannot_be_stored_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"preprocess\(\) returned .* for the input 'x': an array"):
        array_of("x", value)
