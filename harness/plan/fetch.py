"""Asks a package index which wheels it has (PEP 503, 691, 700)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import requests
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DistributionPackage,
    ProjectPage,
    PyPISimple,
    RepositoryPage,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
)
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from harness.network import ca_bundle
from harness.plan.releases import FetchError, Release, Wheel

__all__ = ["fetch_releases", "releases_of"]

TIMEOUT_SECONDS: Final = (10.0, 60.0)
"""To connect, and between two pieces of the answer."""

RETRIES: Final = 2


def fetch_releases(distribution: str, url: str | None) -> tuple[Release, ...]:
    """Ask the index at `url` (None: the default one); see `harness.plan.index.Fetch`."""
    with PyPISimple(url or PYPI_SIMPLE_ENDPOINT) as client:
        # An index may ask for hours of patience (Retry-After); the cache serves sooner.
        retry = Retry(
            RETRIES,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            respect_retry_after_header=False,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            client.s.mount(scheme, HTTPAdapter(max_retries=retry))
        certificates = ca_bundle(os.environ)
        if certificates is not None:
            client.s.verify = str(certificates)
        try:
            response = client.s.get(
                client.get_project_url(distribution),
                timeout=TIMEOUT_SECONDS,
                headers={"Accept": client.accept},
            )
        except requests.RequestException as error:
            raise FetchError(type(error).__name__) from None
    return releases_of(response, distribution)


def releases_of(response: requests.Response, distribution: str) -> tuple[Release, ...]:
    """Return what an index's answer lists, oldest version first; empty for a 404.

    Raises:
        FetchError: the answer is an error, no index page, or has no upload times.
    """
    if response.status_code == requests.codes.not_found:
        return ()
    if not response.ok:
        raise FetchError(f"HTTP {response.status_code}")
    try:
        files = list(_files(response, distribution))
    except (UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError, KeyError):
        raise FetchError("its answer is not an index page") from None
    if files and not any(uploaded for _, uploaded in files):
        raise FetchError("it does not say when files were uploaded, PEP 700")
    return _releases(files, distribution)


_File = tuple[DistributionPackage, datetime | None]


def _files(response: requests.Response, distribution: str) -> Iterator[_File]:
    """Yield each file with its upload time.

    PEP 700 gives upload times in JSON only; some indexes give the same in HTML, as an attribute
    that uv understands too and `pypi-simple` does not.
    """
    if "html" not in response.headers.get("Content-Type", ""):
        for package in ProjectPage.from_response(response, distribution).packages:
            yield package, package.upload_time
        return
    page = RepositoryPage.from_html(response.content, response.url, response.encoding)
    for link in page.links:
        uploaded = link.get_str_attrib("data-upload-time")
        yield (
            DistributionPackage.from_link(link, distribution),
            datetime.fromisoformat(uploaded) if uploaded else None,
        )


def _releases(files: Iterable[_File], distribution: str) -> tuple[Release, ...]:
    wheels: dict[str, list[Wheel]] = defaultdict(list)
    for package, uploaded in files:
        if package.package_type != "wheel" or uploaded is None:
            continue
        try:
            _, version, _, tags = parse_wheel_filename(package.filename)
        except InvalidWheelFilename:
            continue
        at = uploaded if uploaded.tzinfo else uploaded.replace(tzinfo=UTC)
        wheels[str(version)] += [
            Wheel(
                python_tag=tag.interpreter,
                abi_tag=tag.abi,
                platform_tag=tag.platform,
                uploaded=at.astimezone(UTC),
                yanked=package.is_yanked,
            )
            for tag in sorted(tags, key=str)
        ]
    return tuple(
        Release(distribution=distribution, version=version, wheels=tuple(found))
        for version, found in wheels.items()
    )
