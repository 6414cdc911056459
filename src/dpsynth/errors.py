"""Every error that dpsynth raises on purpose, each with the exit code that the command line returns.

::

    DpsynthError                     1   unexpected, I/O
    ├── UsageError                   2   bad argument
    │   └── OutputExistsError        2   the output path exists and --force was not given
    ├── DataMismatchError            3   schema and data do not fit together
    │   ├── SchemaError              3   the schema (or a policy) is wrong
    │   ├── DomainError              3   a clique or a code outside the domain
    │   └── FileFormatError          3   an unreadable, truncated or hostile file
    ├── BudgetExceededError          4   the ledger refuses
    ├── GateError                    5   an audit gate failed or was inconclusive
    ├── VerificationError            6   a release does not verify
    ├── ResourceLimitError           7   too large; said before anything is spent
    ├── LedgerError                  8   ledger unavailable or corrupt
    └── NoGuaranteeError             9   refused: no differential-privacy claim is possible

A message says what is wrong, where, and what to do next. It never holds a value of somebody's data: callers
pass field names, file names and public limits only.
"""

from __future__ import annotations


class DpsynthError(Exception):
    """Base of all errors; ``message`` says what, ``where`` the file or field, ``hint`` what to do next."""

    exit_code = 1
    code = "error"

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f". {self.hint}" if self.hint else ""
        return f"{place}{self.message}{advice}"


class UsageError(DpsynthError):
    """An argument is missing, malformed or outside its range."""

    exit_code = 2
    code = "usage"


class OutputExistsError(UsageError):
    """The output exists; nothing was overwritten."""

    code = "output-exists"


class DataMismatchError(DpsynthError):
    """The columns or physical types of a table do not fit its schema."""

    exit_code = 3
    code = "data-mismatch"


class SchemaError(DataMismatchError):
    """A schema or policy file is wrong; ``where`` names the field and key."""

    code = "schema"


class DomainError(DataMismatchError):
    """A clique, code or shape that does not belong to the domain."""

    code = "domain"


class FileFormatError(DataMismatchError):
    """A file cannot be read as what it claims to be, or is hostile."""

    code = "file-format"


class BudgetExceededError(DpsynthError):
    """The ledger refused a reservation or a charge; nothing was read."""

    exit_code = 4
    code = "budget"


class GateError(DpsynthError):
    """An audit gate failed or could not decide."""

    exit_code = 5
    code = "gate"


class VerificationError(DpsynthError):
    """A release, signature or hash does not verify."""

    exit_code = 6
    code = "verification"


class ResourceLimitError(DpsynthError):
    """The work would exceed a declared limit; refused before anything is spent."""

    exit_code = 7
    code = "resource-limit"


class LedgerError(DpsynthError):
    """The ledger cannot be opened, written or trusted."""

    exit_code = 8
    code = "ledger"


class NoGuaranteeError(DpsynthError):
    """No differential-privacy claim would hold for the requested work."""

    exit_code = 9
    code = "no-guarantee"
