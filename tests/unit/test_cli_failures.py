"""From exceptions to exit codes: each class keeps its code, foreign texts never reach the user."""

import errno

import pytest

from dpsynth import errors
from dpsynth.cli.failures import describe, fail

CELL = "alice@example.org"


@pytest.mark.parametrize(
    "kind", [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.DpsynthError)]
)
def test_our_errors_keep_their_exit_code(kind: type[errors.DpsynthError]) -> None:
    failure = describe(kind("what", where="s.yaml", hint="do this"), "fit")
    assert (failure.exit_code, failure.code) == (kind.exit_code, kind.code)
    assert failure.text() == "Error: s.yaml: what\n  do this"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOENT, errno.EIO])
def test_system_errors_are_exit_1_with_the_path(number: int) -> None:
    failure = describe(OSError(number, CELL, "out.csv"), "sample")
    assert (failure.exit_code, failure.code, failure.where) == (1, "io", "out.csv")
    assert CELL not in failure.text()


def test_a_permission_error_says_so() -> None:
    assert "permission denied" in describe(PermissionError(errno.EACCES, "x", "ledger.db"), "fit").text()


def test_an_interrupt_is_130_and_a_fit_says_where_to_look() -> None:
    assert describe(KeyboardInterrupt(), "sample").exit_code == 130
    assert "ledger show" in describe(KeyboardInterrupt(), "fit").text()


def test_the_text_of_a_foreign_exception_is_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(RuntimeError(CELL), "fit", as_json=False) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert CELL not in said.err
    assert said.err.startswith("Error: unexpected RuntimeError")
    assert len(said.err.splitlines()) <= 2


def test_running_out_of_memory_is_told() -> None:
    assert "memory" in describe(MemoryError(CELL), "fit").text()
