"""Which prefixes of registries are allowed, and what is said of others."""

from __future__ import annotations

import pytest

from harness.environments.prefix import prefix_problem, registry_prefix


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("registry.example/team/", "registry.example/team/"),
        ("registry.example/team", "registry.example/team/"),
        ("registry.example", "registry.example/"),
        ("Registry.Example:5000/a/b-c__d.e", "Registry.Example:5000/a/b-c__d.e/"),
        ("localhost", "localhost/"),
        ("localhost:5000/", "localhost:5000/"),
        ("host:5000", "host:5000/"),
        ("127.0.0.1:5000/team/", "127.0.0.1:5000/team/"),
        ("[::1]:5000/team", "[::1]:5000/team/"),
        ("docker.io/name/", "docker.io/name/"),
    ],
)
def test_a_prefix_ends_with_one_slash(given: str, normal: str) -> None:
    assert registry_prefix(given) == normal


@pytest.mark.parametrize(
    "given",
    [
        "",
        "/",
        "team",  # Docker would take it for a name on Docker Hub
        "team/sub/",
        "https://registry.example/",
        "registry.example//",
        "registry.example/Team/",
        "registry.example/team/:tag",
        "registry.example/team@sha256:0",
        "user:word@registry.example/",
        "registry.example/te am/",
        "registry.example/../",
        "-registry.example/",
        "registry.example:port/",
        "registry.example/team/\n",
        "registry.example/" + "a" * 200,
    ],
)
def test_nothing_else_is_one(given: str) -> None:
    assert registry_prefix(given) is None


def test_what_is_wrong_is_said() -> None:
    assert prefix_problem("team/") == (
        "'team/' is no prefix of a registry\n"
        "  allowed: a registry's host and, if it has them, port and folders: registry.example/team/"
        " or localhost:5000/; Docker Hub's is docker.io/NAME/"
    )
    assert prefix_problem("https://registry.example/").startswith(
        "'https://registry.example/' begins like an address: leave out https://\n"
    )
    assert prefix_problem("a" * 181).startswith(
        "a prefix of a registry has at most 180 characters, and this has 181\n"
    )


def test_a_password_is_not_repeated() -> None:
    said = prefix_problem("https://me:secret@registry.example/")
    assert "secret" not in said
    assert "docker login" in said
