from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.network import ca_bundle, index_url, masked, pip_files, proxy_variables

URL = "https://index.invalid/simple"


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, None),
        ({"PIP_INDEX_URL": URL}, URL),
        ({"PIP_INDEX_URL": f" {URL} "}, URL),
        ({"PIP_INDEX_URL": ""}, None),
        ({"UV_INDEX_URL": URL, "PIP_INDEX_URL": "https://other.invalid"}, URL),
        ({"UV_DEFAULT_INDEX": URL, "UV_INDEX_URL": "https://other.invalid"}, URL),
        ({"UV_DEFAULT_INDEX": f"mine={URL}"}, URL),
        ({"UV_DEFAULT_INDEX": "http://me:pw@h.invalid/a=b"}, "http://me:pw@h.invalid/a=b"),
    ],
)
def test_variables(environment: dict[str, str], url: str | None) -> None:
    assert index_url(environment, files=()) == url


def test_a_later_file_overrides_an_earlier_one(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("1", "2", "3"))
    first.write_text("[global]\nindex-url = https://first.invalid\n")
    second.write_text("[global]\nindex_url = https://global.invalid\n[install]\nindex-url = " + URL)
    third.write_text("[global]\ntimeout = 60%\n")
    assert index_url({}, files=(first, second, third, tmp_path / "none")) == URL
    assert index_url({}, files=(second, first)) == "https://first.invalid"
    assert index_url({"PIP_INDEX_URL": "https://e.invalid"}, files=(first,)) == "https://e.invalid"


def test_a_broken_pip_configuration(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("index-url = https://index.invalid\n")
    with pytest.raises(UsageError) as caught:
        index_url({}, files=(file,))
    assert str(caught.value) == (
        f"{file}: pip's configuration cannot be read: File contains no section headers."
    )


@pytest.mark.parametrize("url", ["file:///srv/packages", "/srv/packages", "https://", "http://["])
def test_only_http(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        index_url({"PIP_INDEX_URL": url}, files=())
    assert str(caught.value) == (
        f"PIP_INDEX_URL: the package index {url} cannot be asked which releases exist\n"
        "  allowed: an http or https URL\n"
        "  hint: unset it in PIP_INDEX_URL to use the default index"
    )


def test_credentials_are_not_shown() -> None:
    assert masked("https://me:p@ss@index.invalid/simple") == "https://***@index.invalid/simple"
    assert masked(URL) == URL
    with pytest.raises(UsageError) as caught:
        index_url({"PIP_INDEX_URL": "ftp://me:secret@index.invalid"}, files=())
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has other places")
def test_where_pip_looks(tmp_path: Path) -> None:
    home = {"HOME": "/home/me"}
    prefix = Path(sys.prefix) / "pip.conf"
    assert pip_files(home) == (
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        Path("/home/me/.pip/pip.conf"),
        Path("/home/me/.config/pip/pip.conf"),
        prefix,
    )
    moved = {**home, "XDG_CONFIG_HOME": "/config", "XDG_CONFIG_DIRS": "/a:/b"}
    assert pip_files(moved) == (
        Path("/a/pip/pip.conf"),
        Path("/b/pip/pip.conf"),
        Path("/etc/pip.conf"),
        Path("/home/me/.pip/pip.conf"),
        Path("/config/pip/pip.conf"),
        prefix,
    )
    chosen = tmp_path / "mine.conf"
    assert pip_files({**home, "PIP_CONFIG_FILE": str(chosen)})[-2:] == (prefix, chosen)
    chosen.write_text("")
    assert pip_files({**home, "PIP_CONFIG_FILE": str(chosen)}) == (
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        prefix,
        chosen,
    )
    assert pip_files({**home, "PIP_CONFIG_FILE": os.devnull}) == ()


def test_proxies() -> None:
    assert proxy_variables({"HTTP_PROXY": "http://p", "no_proxy": "a,b", "https_proxy": ""}) == {
        "HTTP_PROXY": "http://p",
        "no_proxy": "a,b",
    }


def test_certificates(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    second.write_text("")
    settings = {"SSL_CERT_FILE": str(first), "PIP_CERT": str(second)}
    assert ca_bundle(settings) == second
    first.write_text("")
    assert ca_bundle(settings) == first
    assert ca_bundle({"SSL_CERT_FILE": str(tmp_path)}, files=()) is None
    assert ca_bundle({}, files=()) is None


def test_certificates_that_pip_is_told_of(tmp_path: Path) -> None:
    mine, others = tmp_path / "mine.pem", tmp_path / "others.pem"
    shared, own = tmp_path / "shared.conf", tmp_path / "own.conf"
    for file in (mine, others):
        file.write_text("")
    shared.write_text(f"[global]\ncert = {others}\n")
    assert ca_bundle({}, files=(shared, own)) == others
    own.write_text(f"[global]\ncert = {mine}\n")
    assert ca_bundle({}, files=(shared, own)) == mine
    assert ca_bundle({"PIP_CERT": str(others)}, files=(shared, own)) == others
