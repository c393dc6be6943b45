from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from harness.cell import Platform
from harness.errors import IndexUnavailableError, UsageError
from harness.plan.fetch import releases_of
from harness.plan.index import FRESH, Index, read_index
from harness.plan.releases import FetchError, Release, Wheel
from tests.support.indexes import release, wheel

START = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
NO_FILES = {"PIP_CONFIG_FILE": os.devnull}


class Answers:
    """Stands for an index that has one TensorFlow, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.failure: str | None = None
        self.has = {"tensorflow": (release("2.4.4", "3.8"),)}

    def __call__(self, distribution: str, url: str | None) -> tuple[Release, ...]:
        self.asked.append((distribution, url))
        if self.failure is not None:
            raise FetchError(self.failure)
        return self.has.get(distribution, ())


def read(
    fetch: Answers,
    folder: Path,
    *,
    after: timedelta = timedelta(0),
    refresh: bool = False,
    **settings: str,
) -> Index:
    return read_index(
        {**NO_FILES, **settings},
        refresh=refresh,
        fetch=fetch,
        directory=folder,
        now=lambda: START + after,
    )


def test_answers_are_kept_while_they_are_fresh(tmp_path: Path) -> None:
    fetch = Answers()
    first = read(fetch, tmp_path)
    assert fetch.asked == [
        ("tensorflow", None),
        ("tensorflow-cpu", None),
        ("tensorflow-gpu", None),
    ]
    assert first.releases == (release("2.4.4", "3.8"),)
    assert (first.state.source, first.state.retrieved) == ("network", START)

    again = read(fetch, tmp_path, after=FRESH - timedelta(seconds=1))
    assert len(fetch.asked) == 3
    assert again.releases == first.releases
    assert (again.state.source, again.state.retrieved) == ("cache", START)

    assert read(fetch, tmp_path, after=FRESH).state.source == "network"
    assert len(fetch.asked) == 6
    assert read(fetch, tmp_path, after=FRESH, refresh=True).state.source == "network"
    assert len(fetch.asked) == 9


def test_an_answer_from_the_future_is_not_fresh(tmp_path: Path) -> None:
    fetch = Answers()
    read(fetch, tmp_path, after=timedelta(days=1))
    assert read(fetch, tmp_path).state.source == "network"


def test_old_answers_serve_without_a_network(tmp_path: Path) -> None:
    fetch = Answers()
    read(fetch, tmp_path)
    fetch.asked.clear()
    fetch.failure = "ConnectionError"
    index = read(fetch, tmp_path, after=timedelta(days=3))
    assert index.releases == (release("2.4.4", "3.8"),)
    assert index.state.source == "stale-cache"
    assert index.state.retrieved == START
    assert index.state.note == (
        "the package index did not answer (ConnectionError);"
        " answers of 2026-11-19 12:00 UTC were used"
    )
    assert len(fetch.asked) == 1  # what does not answer is not waited for three times


def test_no_answer_and_nothing_kept(tmp_path: Path) -> None:
    fetch = Answers()
    fetch.failure = "ConnectionError"
    with pytest.raises(IndexUnavailableError) as caught:
        read(fetch, tmp_path)
    assert str(caught.value) == (
        "the package index did not answer (ConnectionError), and no earlier answer is kept\n"
        "  hint: check the network, the proxy (HTTPS_PROXY) and the index setting"
        " (PIP_INDEX_URL); once it has answered, runs without a network work too"
    )


def test_an_index_without_tensorflow(tmp_path: Path) -> None:
    fetch = Answers()
    fetch.has = {}
    with pytest.raises(IndexUnavailableError) as caught:
        read(fetch, tmp_path, PIP_INDEX_URL="https://me:secret@index.invalid/simple")
    assert str(caught.value) == (
        "the package index https://***@index.invalid/simple has no TensorFlow\n"
        "  hint: set PIP_INDEX_URL to an index that has it"
    )
    assert not list(tmp_path.iterdir())


def test_each_index_has_its_own_answers_and_no_credentials_are_kept(tmp_path: Path) -> None:
    fetch = Answers()
    read(fetch, tmp_path)
    url = "https://me:secret@index.invalid/simple"
    read(fetch, tmp_path, PIP_INDEX_URL=url)
    assert fetch.asked[3:] == [
        ("tensorflow", url),
        ("tensorflow-cpu", url),
        ("tensorflow-gpu", url),
    ]
    read(fetch, tmp_path, UV_DEFAULT_INDEX="https://other@index.invalid/simple/")
    assert len(fetch.asked) == 6
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6
    assert not any(word in file.read_text() for file in files for word in ("secret", "invalid"))
    assert json.loads(files[0].read_text())["schema"] == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 2}', "\x00\xff"])
def test_a_broken_cache_counts_for_nothing(tmp_path: Path, content: str) -> None:
    fetch = Answers()
    read(fetch, tmp_path)
    for file in tmp_path.iterdir():
        file.write_text(content, "utf-8")
    assert read(fetch, tmp_path).state.source == "network"
    assert len(fetch.asked) == 6


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read(Answers(), tmp_path / "file" / "index").state.source == "network"


def test_a_useless_index_setting_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read(Answers(), tmp_path, PIP_INDEX_URL="file:///srv/packages")


def test_wheels_of_other_pythons_do_not_count() -> None:
    tags = [("cp27", "cp27mu"), ("cp35", "cp35m"), ("cp313", "cp313t"), ("py3", "none")]
    others = [
        Wheel(
            python_tag=python,
            abi_tag=abi,
            platform_tag="manylinux2014_x86_64",
            uploaded=START,
        )
        for python, abi in tags
    ]
    assert [other.python for other in others] == [None] * 4
    assert wheel("3.7").python == "3.7"
    assert wheel("3.13").python == "3.13"


def test_a_withdrawn_wheel_does_not_count_beside_others() -> None:
    wheels = (wheel("3.8"), wheel("3.9", yanked=True))
    some = Release(distribution="tensorflow", version="2.4.4", wheels=wheels)
    assert some.pythons(Platform()) == {"3.8"}
    assert not some.yanked
    every = Release(distribution="tensorflow", version="2.4.4", wheels=wheels[1:])
    assert every.pythons(Platform()) == {"3.9"}
    assert every.yanked


def answer(body: str, content_type: str, status: int = 200) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.url = "https://index.invalid/simple/tensorflow/"
    response.headers["Content-Type"] = content_type
    response._content = body.encode()
    return response


JSON = "application/vnd.pypi.simple.v1+json"
NAMES = (
    "tensorflow-2.9.3-cp37-cp37m-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "tensorflow-2.9.3-cp38-cp38-macosx_10_14_x86_64.whl",
    "tensorflow-2.9.3.tar.gz",
    "not a wheel.whl",
)
EXPECTED = (
    Release(
        distribution="tensorflow",
        version="2.9.3",
        wheels=tuple(
            Wheel(
                python_tag=f"cp{python}",
                abi_tag=abi,
                platform_tag=platform,
                uploaded=datetime(2022, 11, 16, 19, 38, 43, tzinfo=UTC),
                yanked=yanked,
            )
            for python, abi, platform, yanked in (
                ("37", "cp37m", "manylinux2014_x86_64", False),
                ("37", "cp37m", "manylinux_2_17_x86_64", False),
                ("38", "cp38", "macosx_10_14_x86_64", True),
            )
        ),
    ),
)


def test_json_pages() -> None:
    files: list[dict[str, object]] = [
        {
            "filename": name,
            "url": f"https://files.invalid/{name}",
            "hashes": {},
            "upload-time": "2022-11-16T19:38:43Z",
            "yanked": "broken" if "macosx" in name else False,
        }
        for name in NAMES
    ]
    page = {"meta": {"api-version": "1.1"}, "name": "tensorflow", "files": files, "versions": []}
    assert releases_of(answer(json.dumps(page), JSON), "tensorflow") == EXPECTED


def links(attributes: str) -> str:
    return "<!DOCTYPE html><html><body>" + "".join(
        f'<a href="/{name}"{attributes} {"data-yanked" if "macosx" in name else ""}>{name}</a>'
        for name in NAMES
    )


def test_html_pages() -> None:
    page = links(' data-upload-time="2022-11-16T19:38:43Z"')
    assert releases_of(answer(page, "text/html"), "tensorflow") == EXPECTED


def test_a_distribution_the_index_lacks() -> None:
    assert releases_of(answer("no such page", "text/html", 404), "tensorflow-gpu") == ()


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (answer("", "text/html", 503), "HTTP 503"),
        (answer("", "text/html", 401), "HTTP 401"),
        (answer("{", JSON), "its answer is not an index page"),
        (answer("{}", JSON), "its answer is not an index page"),
        (answer("x", "image/png"), "its answer is not an index page"),
        (answer(links(""), "text/html"), "it does not say when files were uploaded, PEP 700"),
    ],
)
def test_answers_that_are_none(response: requests.Response, reason: str) -> None:
    with pytest.raises(FetchError) as caught:
        releases_of(response, "tensorflow")
    assert str(caught.value) == reason
