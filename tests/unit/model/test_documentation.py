from __future__ import annotations

import re
from pathlib import Path

from harness.judge.tolerance import allowed
from harness.model.loaders import LOADERS
from harness.model.model import Format, TaskKind
from harness.model.settings import Settings, load_settings

PAGE = Path(__file__).parents[3] / "docs" / "model.md"


def test_the_documented_model_yaml_loads_and_names_every_key(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    assert len(blocks) == 1
    written = tmp_path / "model.yaml"
    written.write_text(blocks[0])
    settings = load_settings(written)
    assert set(Settings.model_fields) == settings.model_fields_set


def test_the_documented_tolerances_are_the_defaults() -> None:
    text = " ".join(PAGE.read_text().split())
    for dtype in ("float32", "float64", "float16", "bfloat16"):
        found = re.search(rf"{dtype} `([^`]+)` and `([^`]+)`", text)
        limits = allowed("any", dtype, {})
        assert found is not None
        assert limits is not None
        assert (float(found[1]), float(found[2])) == (limits.atol, limits.rtol)


def test_every_format_task_and_loader_is_documented() -> None:
    text = PAGE.read_text()
    for format_ in Format:
        assert f"| `{format_}` |" in text
    for kind in TaskKind:
        assert f"| `{kind}` |" in text
    for loader, call in LOADERS.items():
        assert f"| `{loader}` | {call} |" in text
