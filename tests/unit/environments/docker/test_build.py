from __future__ import annotations

from pathlib import Path

import pytest

from harness.environments.docker.building.cli import Cli, build_command, build_environment, find_cli
from harness.environments.docker.building.network import needs_host_network, network_file
from harness.environments.docker.building.output import (
    build_failure,
    install_failure,
    phrase,
    shown,
)
from harness.environments.process import Completed
from harness.observation import Ending, Stage

UV_ERROR = "error: Failed to fetch: `https://u:secret@index.example/simple/six/`\n"


def command(cli: Cli, *, host_network: bool = False) -> list[str]:
    return list(
        build_command(
            cli,
            tag="t:1",
            context=Path("/c"),
            secrets=Path("/s"),
            labels={"l": "v"},
            arguments={"owner": "o"},
            host_network=host_network,
        )
    )


def test_buildkit_gets_secrets_and_no_arguments() -> None:
    assert command(Cli("docker", "buildkit")) == [
        "docker",
        "build",
        "--progress=plain",
        "--secret=id=network,src=/s/network",
        "--secret=id=certificates,src=/s/certificates",
        "--label=l=v",
        "--tag=t:1",
        "/c",
    ]


def test_buildx_is_told_to_hand_the_image_over() -> None:
    assert "--load" in command(Cli("docker", "buildkit", buildx=True))


def test_the_classic_builder_gets_arguments_and_no_secrets() -> None:
    assert command(Cli("/usr/bin/docker", "classic"), host_network=True) == [
        "/usr/bin/docker",
        "build",
        "--force-rm",
        "--build-arg=owner=o",
        "--label=l=v",
        "--network=host",
        "--tag=t:1",
        "/c",
    ]


def test_what_the_user_chose_for_other_builds_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    user = {"BUILDX_BUILDER": "far", "DOCKER_DEFAULT_PLATFORM": "linux/arm64", "HOME": "/h"}
    assert build_environment(Cli("docker", "buildkit"), user) == {
        "HOME": "/h",
        "BUILDX_BUILDER": "default",
        "DOCKER_BUILDKIT": "1",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }
    assert build_environment(Cli("docker", "classic"), user)["DOCKER_BUILDKIT"] == "0"


def test_the_builder_is_the_daemon_that_the_harness_talks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    for user, builder in (
        ({}, "far"),
        ({"DOCKER_CONTEXT": "near"}, "near"),
        ({"DOCKER_HOST": "unix:///x", "DOCKER_CONTEXT": "near"}, "default"),
    ):
        assert build_environment(Cli("docker", "buildkit"), user)["BUILDX_BUILDER"] == builder


class FakeDocker:
    """A Docker command line of a version, with or without buildx."""

    def __init__(self, version: str, *, buildx: bool) -> None:
        self.version = version
        self.buildx = buildx

    def __call__(self, arguments: list[str], *, timeout_seconds: float) -> Completed:
        match arguments[1:]:
            case ["--version"]:
                return Completed(0, f"Docker version {self.version}, build 1\n", "")
            case ["buildx", "version"]:
                return Completed(0 if self.buildx else 1, "", "")
        raise AssertionError(arguments)


@pytest.mark.parametrize(
    ("version", "buildx", "expected"),
    [
        ("28.2.2", True, Cli("/d", "buildkit", buildx=True)),
        ("28.2.2", False, Cli("/d", "classic")),
        ("23.0.1", False, Cli("/d", "classic")),
        ("20.10.24+dfsg1", False, Cli("/d", "buildkit")),
        ("20.10.24", True, Cli("/d", "buildkit", buildx=True)),
        ("17.06.0-ce", False, Cli("/d", "classic")),
    ],
)
def test_the_best_builder_is_taken(version: str, buildx: bool, expected: Cli) -> None:
    fake = FakeDocker(version, buildx=buildx)
    assert find_cli({"HARNESS_DOCKER_CLI": "/d"}, fake) == expected


def test_the_user_can_ask_for_the_classic_builder() -> None:
    environment = {"HARNESS_DOCKER_CLI": "/d", "DOCKER_BUILDKIT": "0"}
    assert find_cli(environment, FakeDocker("28.0.0", buildx=True)) == Cli("/d", "classic")


def test_of_several_the_first_with_buildkit_is_taken(tmp_path: Path) -> None:
    programs = {}
    for folder, version in (("new", "28.2.2"), ("old", "20.10.24"), ("older", "19.3.1")):
        (tmp_path / folder).mkdir()
        program = tmp_path / folder / "docker"
        program.touch(mode=0o755)
        programs[str(program)] = FakeDocker(version, buildx=False)

    def run(arguments: list[str], *, timeout_seconds: float) -> Completed:
        return programs[arguments[0]](arguments, timeout_seconds=timeout_seconds)

    path = ":".join(str(tmp_path / folder) for folder in ("new", "empty", "old", "older"))
    assert find_cli({"PATH": path}, run) == Cli(str(tmp_path / "old/docker"), "buildkit")
    classic = Cli(str(tmp_path / "new/docker"), "classic")
    assert find_cli({"PATH": path.partition(":")[0]}, run) == classic


def test_without_a_command_line_the_package_builds() -> None:
    def missing(*_: object, **__: object) -> Completed:
        raise FileNotFoundError

    assert find_cli({"PATH": "/nowhere"}, missing) == Cli(None, "classic")
    assert find_cli({"HARNESS_DOCKER_CLI": "/nowhere/docker"}, missing) == Cli(None, "classic")


def test_only_what_leads_to_the_index_is_handed_to_a_build() -> None:
    environment = {
        "UV_DEFAULT_INDEX": "https://u:p'w@index.example/simple",
        "UV_INDEX_INTERNAL_PASSWORD": "x",
        "https_proxy": "http://proxy.example:3128",
        "SSL_CERT_FILE": "/home/me/ca.pem",
        "UV_CACHE_DIR": "/home/me/cache",
        "UV_OFFLINE": "1",
        "AWS_SECRET_ACCESS_KEY": "no",
        "HOME": "/home/me",
    }
    assert network_file(environment) == (
        "SSL_CERT_FILE=/run/tensorflow-environment-matrix/certificates\n"
        "UV_DEFAULT_INDEX='https://u:p'\"'\"'w@index.example/simple'\n"
        "UV_INDEX_INTERNAL_PASSWORD=x\n"
        "https_proxy=http://proxy.example:3128\n"
    )


def test_no_settings_no_lines() -> None:
    assert network_file({"HOME": "/home/me"}) == ""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"UV_DEFAULT_INDEX": "https://index.example/simple"}, False),
        ({"UV_DEFAULT_INDEX": "http://u:p@localhost:3141/root"}, True),
        ({"UV_EXTRA_INDEX_URL": "https://a.example http://127.0.0.1:8080/simple"}, True),
        ({"HTTPS_PROXY": "localhost:3128"}, True),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, True),
        ({"HTTPS_PROXY": "http://[broken"}, False),
        ({"NO_PROXY": "localhost"}, False),
        ({"HOME": "http://localhost"}, False),
    ],
)
def test_an_index_on_this_machine_needs_its_network(
    environment: dict[str, str], expected: bool
) -> None:
    assert needs_host_network(environment) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#1 [internal] load build definition from Dockerfile", "starting the build"),
        ("Step 1/9 : FROM base AS install", "starting the build"),
        ("#7 0.330 Resolved 41 packages in 35ms", "downloading packages"),
        ("\x1b[91m\x1b[0m\x1b[91mDownloading \x1b[0mtensorflow (200MiB)", "downloading packages"),
        ("#7 9.1 Prepared 41 packages in 8.2s", "installing packages"),
        ("#7 12.1 Compiling bytecode", "compiling bytecode"),
        ("#9 exporting to image", "exporting the image"),
        ("#7 sha256:94bc94536138bf2c6f607bbdd9401301780c61bfd04cd0712b2901b8da002c11", None),
    ],
)
def test_a_line_is_told_in_a_few_words(line: str, expected: str | None) -> None:
    assert phrase(line) == expected


@pytest.mark.parametrize(
    ("output", "kind", "ending"),
    [
        # BuildKit 0.8, later BuildKit, the classic builder
        (
            f"#7 0.3 {UV_ERROR}#7 ERROR: executor failed running [/bin/sh -c sh x]: exit code: 2",
            "IndexUnavailable",
            Ending.INFRASTRUCTURE,
        ),
        (
            "#7 0.3   x Failed to build `foo==1`\nERROR: failed to solve: process"
            ' "/bin/sh -c sh x" did not complete successfully: exit code: 1',
            "BuildFailed",
            Ending.EXCEPTION,
        ),
        (
            "Step 6/9 : RUN sh x\nHash mismatch for `six==1.16.0`\n"
            "The command '/bin/sh -c sh x' returned a non-zero code: 1",
            "DamagedDownload",
            Ending.INFRASTRUCTURE,
        ),
        (
            "#7 ERROR: executor failed running [/bin/sh -c sh x]: exit code: 137",
            "Killed",
            Ending.INFRASTRUCTURE,
        ),
        (
            "The command '/bin/sh -c sh x' returned a non-zero code: 137",
            "Killed",
            Ending.INFRASTRUCTURE,
        ),
        (
            "write /var/lib/docker/x: no space left on device",
            "DiskFull",
            Ending.INFRASTRUCTURE,
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
            "DaemonUnavailable",
            Ending.INFRASTRUCTURE,
        ),
        (
            "ERROR: failed to solve: base:1: not found",
            "BuilderError",
            Ending.INFRASTRUCTURE,
        ),
    ],
)
def test_only_what_uv_says_of_the_packages_is_the_cells_own(
    output: str, kind: str, ending: Ending
) -> None:
    failure = build_failure(Completed(1, "", output), distribution="tensorflow-cpu")
    assert (failure.stage, failure.type, failure.ending) == (Stage.BUILD, kind, ending)
    assert "secret" not in failure.model_dump_json()
    assert failure.log == shown(output)


def test_a_build_that_was_killed_says_nothing_of_the_cell() -> None:
    failure = build_failure(Completed(-9, "", ""), distribution="tensorflow-cpu")
    assert (failure.type, failure.ending) == ("Stopped", Ending.INFRASTRUCTURE)


def test_the_message_is_what_uv_said() -> None:
    output = (
        "#7 0.2 Resolved 1 package in 3ms\n#7 0.3 error: Failed to build `foo==1`\n"
        "#7 0.3   Caused by: no compiler\n#7 ERROR: executor failed running [/bin/sh]: exit code: 1"
    )
    failure = build_failure(Completed(1, "", output), distribution="tensorflow-cpu")
    assert failure.message == "Failed to build `foo==1`\n  Caused by: no compiler"


@pytest.mark.parametrize(
    ("status", "output", "kind", "ending"),
    [
        (2, UV_ERROR, "IndexUnavailable", Ending.INFRASTRUCTURE),
        (1, "error: Failed to build `foo==1`", "BuildFailed", Ending.EXCEPTION),
        (137, "Resolved 1 package", "Killed", Ending.INFRASTRUCTURE),
        (1, "cp: write error: No space left on device", "DiskFull", Ending.INFRASTRUCTURE),
    ],
)
def test_an_installation_by_itself_fails_by_the_same_words(
    status: int, output: str, kind: str, ending: Ending
) -> None:
    failure = install_failure(Completed(status, "", output), distribution="tensorflow-cpu")
    assert (failure.stage, failure.type, failure.ending) == (Stage.BUILD, kind, ending)
    assert "secret" not in failure.model_dump_json()
