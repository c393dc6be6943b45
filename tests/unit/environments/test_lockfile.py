from __future__ import annotations

import pytest

from harness.environments.lockfile import lock_digest, locked_packages

LOCK = """\
# a header
absl-py==2.1.0 \\
    --hash=sha256:bb \\
    --hash=sha256:aa
    # via
    #   tensorflow-cpu
    #   --override pins.txt
Typing_Extensions==4.5.0 ; python_version < "4" \\
    --hash=sha256:cc
    # via tensorflow-cpu
"""
SAME = """\
typing-extensions==4.5.0; python_version < "4" --hash=sha256:cc
absl_py==2.1.0 --hash=sha256:aa --hash=sha256:bb   # via nothing
"""


def test_packages_by_normalised_name() -> None:
    assert locked_packages(LOCK) == {"absl-py": "2.1.0", "typing-extensions": "4.5.0"}
    assert locked_packages("# nothing\n\n") == {}


def test_the_digest_is_of_content_not_of_form() -> None:
    assert lock_digest(LOCK) == lock_digest(SAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [("2.1.0", "2.1.1"), ("sha256:aa", "sha256:ab"), ("absl-py", "absl-pi")],
)
def test_the_digest_changes_with_the_content(old: str, new: str) -> None:
    assert lock_digest(LOCK.replace(old, new)) != lock_digest(LOCK)


@pytest.mark.parametrize("line", ["six", "six==1.*", "six>=1,<2", "-r other.txt", "six==1 junk"])
def test_what_is_not_exact_is_no_lock(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - packaging's own messages differ
        locked_packages(line)
