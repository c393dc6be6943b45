from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cell import Device, Flags, Pins, Resolution
from harness.environments.engine import Limits
from harness.errors import MatrixError
from harness.plan.matrix import Matrix, load_matrix

Load = Callable[[str], Matrix]
Refused = Callable[[str], str]

ROOT = Path(__file__).parents[3]


def test_defaults_are_those_of_the_documentation(load: Load) -> None:
    written = load(
        """\
schema: 1
tensorflow: [">=2.4"]
python: auto
device: [cpu]
resolution: [as-released]
pins: {default: {}}
flags: {default: {}}
exclude: []
include: []
reference: auto
limits: {timeout: 300, memory: 4g, cpus: 2, output: 2g}
"""
    )
    assert load("schema: 1").model_dump() == written.model_dump()
    assert written.python == ()
    assert written.device == (Device.CPU,)
    assert written.resolution == (Resolution.AS_RELEASED,)


def test_limits_are_what_engines_take(load: Load) -> None:
    matrix = load("schema: 1\nlimits: {timeout: 90.5, memory: 1.5g, cpus: 0.5, output: 64M}")
    assert Limits.model_validate(matrix.limits.model_dump()) == Limits(
        timeout_seconds=90.5, memory_bytes=1_610_612_736, cpus=0.5, output_bytes=67_108_864
    )


def test_versions_keep_their_text(load: Load) -> None:
    matrix = load("schema: 1\ntensorflow: [2.10.*, ~=2.4.0, 2.10.1]\npython: [3.10, 3.9]\n")
    assert matrix.tensorflow == ("==2.10.*", "~=2.4.0", "2.10.1")
    assert matrix.python == ("3.10", "3.9")


def test_pins_and_flags(load: Load) -> None:
    matrix = load(
        """\
schema: 1
pins: {numpy-1.26: {NumPy: 1.26.4}}
flags:
  onednn-off: {TF_ENABLE_ONEDNN_OPTS: 0, TF_X: true, EMPTY: ""}
  threads: {intra_op_threads: 2, inter_op_threads: 1}
"""
    )
    assert matrix.pins_named("numpy-1.26") == Pins(name="numpy-1.26", packages={"numpy": "1.26.4"})
    assert matrix.pins_named("default") == Pins()
    assert list(matrix.flags) == ["onednn-off", "threads"]
    assert matrix.flags_named("onednn-off") == Flags(
        name="onednn-off",
        variables={"TF_ENABLE_ONEDNN_OPTS": "0", "TF_X": "true", "EMPTY": ""},
    )
    assert matrix.flags_named("threads") == Flags(
        name="threads", intra_op_threads=2, inter_op_threads=1
    )
    assert matrix.flags_named("default") == Flags()


def test_a_matrix_survives_being_saved(load: Load) -> None:
    matrix = load(
        """\
schema: 1
flags: {x: {TF_A: 1, intra_op_threads: 3}}
exclude: [{tensorflow: "2.4.*", reason: old}]
include: [{tensorflow: 1.15.5, python: 3.7, flags: default}]
limits: {memory: 512m}
"""
    )
    again = Matrix.model_validate_json(matrix.model_dump_json())
    assert again.model_dump() == matrix.model_dump()
    assert '"python":"auto"' in matrix.model_dump_json()


def test_places(load: Load) -> None:
    matrix = load("schema: 1\n\nexclude:\n  - tensorflow: <2.6\n    reason: old\n")
    assert matrix.where("exclude", 0, "reason") == "matrix.yaml:5 exclude[0].reason"
    assert matrix.where("exclude", 0, "python") == "matrix.yaml:4 exclude[0].python"
    assert matrix.where("tensorflow", 0) == "matrix.yaml tensorflow[0]"
    assert matrix.file == "matrix.yaml"


def test_everything_wrong_is_told_at_once(refused: Refused) -> None:
    assert (
        refused(
            """\
schema: 2
tensorfow: [">=2.4"]
tensorflow: [2.15.1, "2.4", ">=x"]
python: ["3.10", 3.x, "3.5"]
device: [cup]
resolution: today
pins: {Bad_Name: {}, today: {}, a: {numpy: ">1", tensorflow: 2.1.0}}
flags:
  x: {intra_op_thread: 1, inter_op_threads: 0, TF_B: [1]}
  y:
exclude: [{python: "3.9"}, {reason: nothing}, {flags: xx, reason: ""}, 5]
include: [{python: "3.9"}, {tensorflow: 1.15.5, pins: aa}]
limits: {timeout: soon, memory: 4q, cpus: 0, out: 2g}
python: auto
"""
        )
        == """\
matrix.yaml:10 flags.y: has no value
  hint: write {}, [] or "" for an empty one
matrix.yaml:14 python: this key is there already, on line 4
matrix.yaml:1 schema: this harness does not know schema '2'
  allowed: 1
matrix.yaml:2 tensorfow: unknown key
  allowed: schema, tensorflow, python, device, resolution, pins, flags, exclude, include, \
reference, limits
  hint: did you mean 'tensorflow'?
matrix.yaml:3 tensorflow[1]: '2.4' is not a whole version
  allowed: an exact version such as "2.15.1", or a specifier such as ">=2.4" or "2.4.*"
  hint: write "2.4.*" for its newest patch
matrix.yaml:3 tensorflow[2]: '>=x' is neither a version nor a specifier
  allowed: an exact version such as "2.15.1", or a specifier such as ">=2.4" or "2.4.*"
matrix.yaml:4 python[1]: '3.x' is not a Python version
  allowed: versions X.Y from 3.6, or auto
matrix.yaml:4 python[2]: '3.5' is not a Python version
  allowed: versions X.Y from 3.6, or auto
matrix.yaml:5 device[0]: 'cup' is not known
  allowed: cpu, cuda
  hint: did you mean 'cpu'?
matrix.yaml:6 resolution: 'today' is not a list
  hint: write ["today"]
matrix.yaml:7 pins.Bad_Name: 'Bad_Name' cannot be part of a cell id
  allowed: a-z, 0-9, dots and dashes
matrix.yaml:7 pins.today: 'today' reads like the resolution in a cell id
  allowed: names that do not end with today
matrix.yaml:7 pins.a.numpy: '>1' is not an exact version
  allowed: versions such as "1.26.4"
matrix.yaml:7 pins.a.tensorflow: 'tensorflow' cannot be pinned
  allowed: any package but TensorFlow
  hint: it is an axis
matrix.yaml:9 flags.x.inter_op_threads: '0' is not a number of threads
  allowed: whole numbers from 1 to 9999
matrix.yaml:9 flags.x.intra_op_thread: unknown setting
  allowed: environment variables in CAPITALS, intra_op_threads, inter_op_threads
  hint: did you mean 'intra_op_threads'?
matrix.yaml:9 flags.x.TF_B: a list is not a text
matrix.yaml:11 exclude[0]: the key 'reason' is missing
matrix.yaml:11 exclude[1]: names no axis, so it would leave out everything
  allowed: tensorflow, python, device, resolution, pins, flags
matrix.yaml:11 exclude[2].flags: flags has no 'xx'
  allowed: default, x, y
  hint: did you mean 'x'?
matrix.yaml:11 exclude[2].reason: is empty
  allowed: some text
matrix.yaml:11 exclude[3]: '5' is not a mapping
matrix.yaml:12 include[0]: the key 'tensorflow' is missing
matrix.yaml:12 include[1].pins: pins has no 'aa'
  allowed: default, Bad_Name, today, a
  hint: did you mean 'a'?
matrix.yaml:13 limits.timeout: 'soon' is not a time limit
  allowed: seconds above 0, such as 300
matrix.yaml:13 limits.memory: '4q' is not a usable size
  allowed: sizes from 6m, such as 512m or 4g (k, m and g are powers of 1024)
matrix.yaml:13 limits.cpus: '0' is not a number of CPUs
  allowed: numbers above 0, such as 2 or 0.5
matrix.yaml:13 limits.out: unknown key
  allowed: timeout, memory, cpus, output
  hint: did you mean 'output'?"""
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("python: auto", "matrix.yaml: the key 'schema' is missing"),
        ("schema_: 1", "matrix.yaml:1 schema_: unknown key"),
        ("schema: 1\nlimits: {memory_bytes: 1g}", "limits.memory_bytes: unknown key"),
        ("", "matrix.yaml: is empty"),
        ("# nothing\n", "matrix.yaml: is empty"),
        ("- a\n", "matrix.yaml: is not a mapping of keys to values"),
        ("just text", "matrix.yaml: is not a mapping of keys to values"),
        ("schema: 1\ntensorflow: []", "matrix.yaml:2 tensorflow: is empty\n  allowed: at least"),
        ("schema: 1\npython: []", "matrix.yaml:2 python: is empty\n  allowed: auto, or at least"),
        ("schema: 1\ndevice: []", "matrix.yaml:2 device: is empty"),
        ("schema: 1\npins: {}", "matrix.yaml:2 pins: is empty"),
        ("schema: 1\nflags: []", "matrix.yaml:2 flags: a list is not a mapping"),
        ("schema: 1\ntensorflow: {}", "matrix.yaml:2 tensorflow: a mapping is not a list"),
        ("schema: 1\npython: 3.9", "matrix.yaml:2 python: '3.9' is not a list\n  hint: write ["),
        ("schema: 1\npython: [auto]", "hint: write python: auto, outside a list"),
        ("schema: 1\ntensorflow: [[2.4.1]]", "matrix.yaml:2 tensorflow[0]: a list is not a text"),
        ("schema: 1\ntensorflow: [latest]", "tensorflow[0]: 'latest' is neither a version nor"),
        ("schema: 1\ntensorflow: [2.4.1, 2.4.1]", "'2.4.1' is there already: matrix.yaml:2 tens"),
        ("schema: 1\npython:\n- 3.9\n- 3.9", "matrix.yaml:4 python[1]: '3.9' is there already"),
        ("schema: 1\nlimits: {timeout: -1}", "limits.timeout: '-1' is not a time limit"),
        ("schema: 1\nlimits: {timeout: nan}", "limits.timeout: 'nan' is not a time limit"),
        ("schema: 1\nlimits: {timeout: inf}", "limits.timeout: 'inf' is not a time limit"),
        ("schema: 1\nlimits: {memory: 1k}", "limits.memory: '1k' is not a usable size"),
        ("schema: 1\nlimits: {output: [1]}", "limits.output: a list is not a usable size"),
        ("schema: 1\nexclude: {}", "matrix.yaml:2 exclude: a mapping is not a list"),
        (
            "schema: 1\nexclude: [{python: 3, reason: x}]",
            "'3' is neither a Python version nor a specifier",
        ),
        ("schema: 1\nreference: ''", "matrix.yaml:2 reference: is empty"),
        ("schema: 1\npins: {a: {'nu mpy': 1.0}}", "pins.a.nu mpy: 'nu mpy' is not a package name"),
        ("schema: 1\nflags: {-x: {}}", "flags.-x: '-x' cannot be part of a cell id"),
        ("schema: 1\n<<: {a: b}", "matrix.yaml:2 <<: unknown key"),
    ],
)
def test_refused(refused: Refused, text: str, message: str) -> None:
    assert message in refused(text)


def test_one_problem_is_told_once(refused: Refused) -> None:
    assert refused("schema: 1\ndevice: [gpu, cdua]").count("matrix.yaml:2") == 2


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def message() -> str:
        with pytest.raises(MatrixError) as caught:
            load_matrix(Path("sub/m.yaml"))
        return str(caught.value)

    assert message() == "sub/m.yaml: there is no such file\n  hint: name another with --matrix"
    Path("sub/m.yaml").mkdir(parents=True)
    assert message() == "sub/m.yaml: is a folder, not a file"
    Path("sub/m.yaml").rmdir()
    Path("sub/m.yaml").write_bytes(b"schema: 1\nreference: \xff\n")
    assert message() == "sub/m.yaml:2: is not UTF-8 text: byte 0xff"

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert message() == "sub/m.yaml: cannot be read: Permission denied"


def test_a_byte_order_mark_does_no_harm(load: Load) -> None:
    assert load("\ufeffschema: 1").schema_ == 1


def test_the_default_matrix_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    matrix = load_matrix(Path("matrix.yaml"))
    assert len(matrix.tensorflow) >= 10
    assert {matrix.resolution[0], *(added.resolution for added in matrix.include)} == set(
        Resolution
    )
