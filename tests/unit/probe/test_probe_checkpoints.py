"""Checkpoints: where the model is in them, and what they hold beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from probing.checkpoints import (
    checkpoint_at,
    nodes_of_models,
    place_of,
    reached,
    unused_names,
    unused_values,
)
from probing.variables import children_of, variables_of


class Node:
    """An object that a checkpoint follows."""

    def __init__(self, **children: Any) -> None:
        self.children = children

    def _trackable_children(self) -> dict[str, Any]:
        return self.children


class Variable(Node):
    """A variable: a leaf with a value."""

    def __init__(self, name: str = "Variable:0") -> None:
        super().__init__()
        self.name = name

    def assign(self, value: Any) -> None:
        raise NotImplementedError


class Checkpoint(Node):
    """As much of `tf.train.Checkpoint` as is asked for."""

    def __init__(self, root: Any = None, **children: Any) -> None:
        super().__init__(**children, **({} if root is None else {"root": root}))
        self._root = root


class Module(Node):
    """As much of a `tf.Module` as is asked for."""

    variables: tuple[Any, ...] = ()


TF = SimpleNamespace(Variable=Variable, Module=Module, train=SimpleNamespace(Checkpoint=Checkpoint))


def layer() -> Node:
    return Node(kernel=Variable(), bias=Variable())


def model() -> Node:
    return Node(first=layer(), second=layer())


def graph(thing: Node, slots: dict[str, str] | None = None) -> Any:
    """The graph of objects of a checkpoint of `thing`; `slots` are node names with slots."""
    nodes: list[Any] = []
    numbers: dict[int, int] = {}

    def add(thing: Any, path: str) -> int:
        if id(thing) in numbers:
            return numbers[id(thing)]
        number = numbers[id(thing)] = len(nodes)
        attributes = [SimpleNamespace(checkpoint_key=path)] if isinstance(thing, Variable) else []
        node = SimpleNamespace(attributes=attributes, children=[], slot_variables=[])
        nodes.append(node)
        for name, child in thing.children.items():
            inner = f"{path}/{name}" if path else name
            node.children.append(SimpleNamespace(node_id=add(child, inner), local_name=name))
        return number

    add(thing, "")
    return SimpleNamespace(nodes=nodes)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (model(), ()),
        (Node(model=model()), ("model",)),
        (Node(net=model(), step=Variable()), ("net",)),
        (Node(trainer=Node(model=model())), ("trainer", "model")),
        (Node(a=Node(b=Node(c=model()))), ("a", "b", "c")),
        (Node(a=Node(b=Node(c=Node(d=model())))), ()),  # too deep to be looked for
        (Node(other=Node(x=Variable())), ()),
    ],
)
def test_the_model_is_found_where_most_of_it_fits(written: Node, path: tuple[str, ...]) -> None:
    assert place_of(graph(written), model()) == path


def test_of_two_places_the_one_with_more_values_is_taken() -> None:
    written = Node(old=Node(first=layer()), new=model())
    assert place_of(graph(written), model()) == ("new",)


def test_the_checkpoint_puts_the_model_where_it_was() -> None:
    thing, optimizer = model(), Node()
    found = checkpoint_at(TF, thing, ("trainer", "model"), {"optimizer": optimizer})
    assert set(found.children) == {"trainer", "optimizer"}
    assert found.children["trainer"].children == {"model": thing}
    assert checkpoint_at(TF, thing, (), {}).children == {"root": thing}
    own = Checkpoint(model=thing)
    assert checkpoint_at(TF, own, (), {}) is own


def test_names_go_on_from_the_root_of_a_checkpoint() -> None:
    thing = model()
    assert children_of(Checkpoint(thing, step=1)) == {**thing.children, "step": 1}
    assert children_of(Checkpoint(model=thing)) == {"model": thing}


def test_before_2_4_the_root_is_a_checkpoint_of_the_same_names() -> None:
    class OldCheckpoint(Node):
        def __init__(self, **children: Any) -> None:
            super().__init__(**children)

    tf = SimpleNamespace(train=SimpleNamespace(Checkpoint=OldCheckpoint))
    thing = model()
    assert checkpoint_at(tf, thing, (), {}).children == thing.children


def test_what_no_name_leads_to_is_unused() -> None:
    written = graph(Node(model=Node(first=layer(), third=layer()), save_counter=Variable()))
    nodes = reached(written, 0, Checkpoint(model=model()))
    assert unused_values(written, nodes) == ["model/third/bias", "model/third/kernel"]


def test_what_is_an_optimizers_is_not_counted() -> None:
    shared = layer()
    optimizer = Node(iterations=Variable(), momentum=Variable(), weights=shared)
    written = graph(Node(optimizer=optimizer, model=Node(first=shared)))
    # The values of the model have keys below the optimizer, which was written first.
    assert sorted(nodes_of_models(written).values()) == [
        "",
        "model",
        "model/first",
        "model/first/bias",
        "model/first/kernel",
    ]
    assert unused_values(written, {0}) == ["model/first/bias", "model/first/kernel"]


def test_loops_are_walked_once() -> None:
    written, live = model(), model()
    for thing in (written, live):
        thing.children["self"] = thing
    found = graph(written)
    assert len(reached(found, 0, live)) == len(found.nodes)
    assert [named.name for named in variables_of(TF, live)] == [
        "first/bias",
        "first/kernel",
        "second/bias",
        "second/kernel",
    ]


def test_slots_and_counters_of_a_name_based_checkpoint_are_not_counted() -> None:
    names = [
        "dense/kernel",
        "dense/kernel/Adam",
        "dense/kernel/Adam_1",
        "train/dense/kernel/Momentum",
        "beta1_power",
        "train/beta2_power",
        "global_step",
        "dense/other",
        "conv/kernel",
    ]
    assert unused_names(names, {"dense/kernel"}) == ["conv/kernel", "dense/other"]


class KerasModel(Node):
    """A Keras model: its variables have names of their own."""

    layers = ()
    predict_on_batch = None

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.weights = [Variable(name) for name in names]


def names(thing: Any) -> list[str]:
    return [named.name for named in variables_of(TF, thing)]


def test_a_keras_model_names_its_variables() -> None:
    assert names(KerasModel("a/kernel:0", "a/bias:0", "a/bias:0", "dropout/StateVar:0")) == [
        "a/kernel",
        "a/bias",
        "a/bias_1",
    ]
    keras_3 = KerasModel("kernel", "seed_generator_state")
    keras_3.weights[0].path = "model/hidden/kernel"  # type: ignore[attr-defined]
    assert names(keras_3) == ["model/hidden/kernel"]


def test_optimizers_generators_and_counters_hold_nothing_that_was_learnt() -> None:
    optimizer, generator = Node(momentum=Variable()), Node(state=Variable())
    optimizer.iterations = optimizer.apply_gradients = None  # type: ignore[attr-defined]
    generator.make_seeds = None  # type: ignore[attr-defined]
    whole = Checkpoint(
        net=KerasModel("k:0"),
        opt=optimizer,
        rng=generator,
        save_counter=Variable(),
        step=Variable(),
    )
    assert names(whole) == ["net/k", "step"]


def test_a_variable_that_no_checkpoint_follows_is_expected_too() -> None:
    module = Module(a=Variable())
    module.variables = (module.children["a"], Variable("hidden/b:0"))
    assert names(module) == ["a", "hidden/b"]
