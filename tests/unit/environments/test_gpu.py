from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.environments import gpu
from harness.environments.process import Completed


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Completed | None], None]]:
    """Says what `nvidia-smi` answers; None: it is not installed."""

    def answer(completed: Completed | None) -> None:
        def run(arguments: Sequence[str], *, timeout_seconds: float) -> Completed:
            assert arguments[0] == "nvidia-smi"
            if completed is None:
                raise FileNotFoundError("nvidia-smi")
            return completed

        monkeypatch.setattr(gpu, "run_program", run)

    gpu.gpu_names.cache_clear()
    yield answer
    gpu.gpu_names.cache_clear()


Answer = Callable[[Completed | None], None]


def test_gpus_are_named(tool: Answer, tmp_path: Path) -> None:
    tool(Completed(0, "NVIDIA H200\nNVIDIA H200\n", ""))
    assert gpu.gpu_names(tmp_path) == ("NVIDIA H200", "NVIDIA H200")


def test_a_driver_that_does_not_answer(tool: Answer, tmp_path: Path) -> None:
    tool(Completed(9, "NVIDIA-SMI has failed because it couldn't communicate\n", ""))
    assert gpu.gpu_names(tmp_path) == ()


def test_neither_tool_nor_driver(tool: Answer, tmp_path: Path) -> None:
    tool(None)
    assert gpu.gpu_names(tmp_path / "missing") == ()


def test_a_driver_without_the_tool(tool: Answer, tmp_path: Path) -> None:
    tool(None)
    information = tmp_path / "gpus" / "0000:01:00.0" / "information"
    information.parent.mkdir(parents=True)
    information.write_text("Model: \t\t NVIDIA T4\nIRQ:   \t\t 33\n")
    assert gpu.gpu_names(tmp_path) == ("NVIDIA T4",)


@pytest.mark.parametrize(
    ("info", "gives"),
    [
        ({}, False),
        ({"Runtimes": {"runc": {}, "io.containerd.runc.v2": {}}}, False),
        ({"Runtimes": {"runc": {}, "nvidia": {"path": "nvidia-container-runtime"}}}, True),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}, True),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "vendor.com/nic=0"}]}, False),
        ({"Runtimes": None, "DiscoveredDevices": None}, False),
    ],
)
def test_a_daemon_says_whether_it_can_give_gpus(info: dict[str, object], gives: bool) -> None:
    assert gpu.gives_gpus(info) is gives
