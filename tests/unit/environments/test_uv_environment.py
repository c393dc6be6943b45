from __future__ import annotations

from pathlib import Path

import pytest

from harness.environments.uv import uv_cache, uv_environment


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", "/cache")


# PIP_CONFIG_FILE=/dev/null: no configuration file of this machine is read (pip's own rule).
BARE = {"PATH": "/bin", "PIP_CONFIG_FILE": "/dev/null"}


def test_a_bare_environment() -> None:
    assert uv_environment(BARE) == {
        **BARE,
        "UV_CACHE_DIR": "/cache/uv",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }


def test_the_cache_the_user_chose_is_kept() -> None:
    chosen = BARE | {"UV_CACHE_DIR": "/theirs"}
    assert uv_cache(chosen) == Path("/theirs")
    assert uv_environment(chosen)["UV_CACHE_DIR"] == "/theirs"


def test_an_empty_setting_is_none() -> None:
    assert uv_cache({"UV_CACHE_DIR": ""}) == Path("/cache/uv")


@pytest.mark.parametrize(
    "name",
    ["UV_INDEX_CORP_PASSWORD", "UV_HTTP_TIMEOUT", "UV_CONCURRENT_DOWNLOADS", "UV_OFFLINE"],
)
def test_settings_of_the_connection_are_kept(name: str) -> None:
    assert uv_environment(BARE | {name: "1"})[name] == "1"


@pytest.mark.parametrize(
    "name",
    [
        "UV_EXCLUDE_NEWER",
        "UV_PYTHON",
        "UV_OVERRIDE",
        "UV_CONSTRAINT",
        "UV_RESOLUTION",
        "UV_PRERELEASE",
        "UV_NO_BINARY",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PYTHONPATH",
        "PYTHONHOME",
    ],
)
def test_what_would_change_a_lock_is_not(name: str) -> None:
    assert name not in uv_environment(BARE | {name: "x"})


def test_the_index_of_pip_is_used() -> None:
    environment = uv_environment(BARE | {"PIP_INDEX_URL": "https://a:b@example.invalid/simple"})
    assert environment["UV_DEFAULT_INDEX"] == "https://a:b@example.invalid/simple"


def test_a_named_index_keeps_its_name() -> None:
    chosen = BARE | {"UV_DEFAULT_INDEX": "corp=https://example.invalid/simple"}
    assert uv_environment(chosen)["UV_DEFAULT_INDEX"] == "corp=https://example.invalid/simple"


def test_certificates_are_passed_on(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    environment = uv_environment(BARE | {"REQUESTS_CA_BUNDLE": str(bundle)})
    assert environment["SSL_CERT_FILE"] == str(bundle)
