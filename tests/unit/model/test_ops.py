from __future__ import annotations

import pytest

from harness.model import suspicious
from harness.model.details import Reach
from harness.model.ops import foreign, is_random
from harness.model.suspicious import SAVERS, outside


@pytest.mark.parametrize(
    "name", ["MatMul", "StatefulPartitionedCall", "BatchMatMul", "XlaCallModule", "_FusedMatMul"]
)
def test_what_is_tensorflows_own(name: str) -> None:
    assert foreign(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Addons>GatherTree", "of tensorflow-addons"),
        ("RegexSplitWithOffsets", "of tensorflow-text"),
        ("SimpleMLInferenceOpWithHandle", "of tensorflow-decision-forests"),
        ("Acme>Blur", "registered in the namespace Acme, which is not TensorFlow's"),
        ("ZeroOut", "not among the operations of TensorFlow 1.15, 2.4, 2.8, 2.15 and 2.21"),
    ],
)
def test_what_is_not(name: str, why: str) -> None:
    assert foreign(name) == why


def test_random_operations() -> None:
    assert is_random("RandomStandardNormal")
    assert is_random("StatefulUniform")
    assert is_random("Multinomial")
    # Their seed is an input.
    assert not is_random("StatelessRandomUniformV2")
    assert not is_random("RandomGammaGrad")


@pytest.mark.parametrize(
    ("name", "reach"),
    [
        ("ReadFile", (Reach.FILES,)),
        ("WriteFile", (Reach.FILES,)),
        ("RestoreV2", (Reach.FILES,)),
        ("ExperimentalSqlDataset", (Reach.FILES,)),
        ("DebugIdentityV2", (Reach.FILES, Reach.NETWORK)),
        ("RpcCall", (Reach.NETWORK,)),
        ("EagerPyFunc", (Reach.PROGRAM,)),
        ("IO>KafkaReadableInit", (Reach.FILES, Reach.NETWORK)),
        ("SimpleMLFileModelLoader", (Reach.FILES,)),
    ],
)
def test_what_reaches_outside(name: str, reach: tuple[Reach, ...]) -> None:
    found = outside(name)
    assert found is not None
    assert found.reach == reach


@pytest.mark.parametrize("name", ["MatMul", "Print", "ExperimentalMapDataset", "ShardedFilename"])
def test_what_does_not(name: str) -> None:
    assert outside(name) is None


def test_names_are_those_of_operations() -> None:
    # TensorRT's is only in builds with it.
    assert {name for name in suspicious._KNOWN if foreign(name)} == {"TRTEngineOp"}
    assert set(suspicious._KNOWN) >= SAVERS
