"""Graphs and SavedModels: which of what is in them is loaded, fed and fetched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from probing.graphs import saved_as, table_initializers, tensors_of
from probing.modules import entry_of_module, parameters_of
from probing.saved_model import best_tags, choose_signature, load_layer
from probing.start import needs_eager
from probing.tensors import Spec


def test_signatures_are_chosen_by_name_then_default_then_alone() -> None:
    assert choose_signature("b", {"a": 1, "b": 2}) == "b"
    assert choose_signature(None, {"a": 1, "serving_default": 2}) == "serving_default"
    assert choose_signature(None, {"a": 1, "__saved_model_init_op": 2}) == "a"
    with pytest.raises(ValueError, match="no signature 'serving_default'; it has: a, b"):
        choose_signature(None, {"b": 1, "a": 2})
    with pytest.raises(ValueError, match="no signature 'x'; it has: none"):
        choose_signature("x", {})


def test_the_graph_for_serving_is_loaded() -> None:
    report = SimpleNamespace(warnings=[])
    assert best_tags([], report) == ["serve"]
    assert best_tags([["gpu", "serve"]], report) == ["gpu", "serve"]
    assert best_tags([["train"]], report) == ["train"]
    assert report.warnings == []
    graphs = [["gpu", "serve"], ["serve"], ["train"]]
    assert best_tags(graphs, report) == ["serve"]
    assert report.warnings == [
        "of the graphs with the tags [['gpu', 'serve'], ['serve'], ['train']], ['serve'] is loaded"
    ]


class Graph:
    """A graph with the tensors `x:0` and `y:1`."""

    def get_tensor_by_name(self, name: str) -> str:
        if name not in ("x:0", "y:1"):
            raise KeyError(name)
        return f"tensor {name}"

    def get_operations(self) -> list[Any]:
        kinds = ("Placeholder", "MatMul", "LookupTableImportV2", "InitializeTableFromTextFileV2")
        return [SimpleNamespace(name=f"{kind}_op", type=kind) for kind in kinds]


def test_tensors_are_found_with_and_without_their_number() -> None:
    request = {"feeds": {"image": "x"}, "fetches": {"scores": "y:1"}}
    assert tensors_of(request, Graph()) == [{"image": "tensor x:0"}, {"scores": "tensor y:1"}]


def test_a_tensor_that_is_not_there_is_named_with_the_placeholders() -> None:
    with pytest.raises(ValueError, match="no tensor 'z'; its placeholders are: Placeholder_op"):
        tensors_of({"feeds": {"image": "z"}, "fetches": {"y": "y:1"}}, Graph())
    with pytest.raises(ValueError, match=r"its outputs: name them in model\.yaml"):
        tensors_of({"feeds": {}, "fetches": {}}, Graph())


def test_tables_are_filled_by_the_operations_for_it() -> None:
    assert [operation.name for operation in table_initializers(Graph())] == [
        "LookupTableImportV2_op",
        "InitializeTableFromTextFileV2_op",
    ]


def test_checkpoints_in_several_files_of_the_first_format_are_a_pattern(tmp_path: Path) -> None:
    prefix = str(tmp_path / "export")
    assert saved_as(prefix) == prefix
    (tmp_path / "export-00000-of-00001").touch()
    assert saved_as(prefix) == prefix + "-?????-of-?????"
    (tmp_path / "export.index").touch()
    assert saved_as(prefix) == prefix


def test_releases_that_lack_a_loader_say_so() -> None:
    old = SimpleNamespace(__version__="1.15.5", executing_eagerly=lambda: False)
    with pytest.raises(ValueError, match=r"needs TensorFlow 2, this is 1\.15\.5; use the loader y"):
        needs_eager(old, "x", "y")
    layers = SimpleNamespace(layers=SimpleNamespace())
    with pytest.raises(ValueError, match=r"has no TFSMLayer here, .* this is TensorFlow 2\.8\.4"):
        load_layer(SimpleNamespace(__version__="2.8.4", keras=layers), {}, None)


class Model:
    """What is no Keras model."""

    def __call__(self, x: Any, mask: Any, is_training: bool, scale: float = 2.0) -> Any:
        return {"double": f"{x} {mask} {is_training} {scale}"}


class OfOne:
    def __call__(self, features: Any, *rest: Any, **more: Any) -> Any:
        return features, [features]


EAGER = SimpleNamespace(convert_to_tensor=lambda array: array)


def test_a_callable_takes_its_parameters_without_a_default() -> None:
    entry = entry_of_module(EAGER, Model())
    assert entry.inputs == [Spec("x", None, None), Spec("mask", None, None)]
    assert entry.call({"mask": 2, "x": 1}) == {"double": "1 2 False 2.0"}
    assert list(parameters_of(OfOne())) == ["features"]


def test_outputs_without_a_name_are_numbered() -> None:
    entry = entry_of_module(EAGER, OfOne())
    assert entry.call({"features": 1}) == {"output_0": 1, "output_1": 1}
    assert entry.call({"a": 1, "b": 2}) == {"a": 1, "b": 2, "a_1": 1, "b_1": 2}
