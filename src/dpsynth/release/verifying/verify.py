"""``verify``: all checks of a package, in the order in which each may rely on the ones before it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dpsynth.errors import DpsynthError, VerificationError
from dpsynth.release.keys import PublicKey
from dpsynth.release.layout import CROISSANT, DATAPACKAGE, LEDGER, REPORT_JSON
from dpsynth.release.verifying import accounts, figures, integrity, rows
from dpsynth.release.verifying.documents import Part, parsed
from dpsynth.release.verifying.facts import check_chain, check_facts
from dpsynth.release.verifying.model import check_model
from dpsynth.release.verifying.opening import Package, opened
from dpsynth.release.verifying.outcome import Check, Outcome, Unchecked, Verified
from dpsynth.release.verifying.texts import check_texts, described_release
from dpsynth.schema import Schema

_MALFORMED = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What hostile content can raise where a check expects another kind of value."""


_NUMBERS = ("epsilon", "delta", "governor", "unit", "stability", "reservation")
"""What the ledger proves of a guarantee, in any version's words."""


@dataclass
class _Found:
    """What earlier checks established for later ones."""

    package: Package
    key: PublicKey | None
    described: Part = field(init=False)
    report: Part = field(init=False)
    table: Any = field(init=False)
    schema: Schema = field(init=False)
    counts: dict[str, list[int]] = field(init=False)
    books: accounts.Accounts | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def claimed(self) -> bool:
        """Whether the release states a guarantee of dpsynth."""
        return bool(self.report.value.get("guarantee"))


def verify(path: str | os.PathLike[str], key: PublicKey | None = None) -> Verified:
    """Every check of the package at ``path``, a folder or a zip: nothing else is read, nothing is sent.

    Without ``key`` the signature is checked against the key that the package itself names. Raises ``FileFormatError``
    when there is nothing to be read; whatever else is wrong is the ``failure`` of the result. Cost: one pass over every
    byte, and memory for the table.
    """
    checks: list[Check] = []
    try:
        with opened(path) as package:
            checks.append(Check("package", Outcome.HOLDS, f"{len(package.files)} files, all of them of a release"))
            return _checked(_Found(package, key), checks)
    except VerificationError as error:
        return _failed(checks, "package", error, {"key_given": key is not None})


def _checked(found: _Found, checks: list[Check]) -> Verified:
    found.facts["key_given"] = found.key is not None
    for name, check in _CHECKS.items():
        try:
            words = check(found)
        except RecursionError:
            deep = VerificationError("something in the release is nested too deeply to be read")
            return _failed(checks, name, deep, found.facts)
        except VerificationError as error:
            return _failed(checks, name, error, found.facts)
        except DpsynthError as error:
            # Whatever the parts of the library say of a package that they cannot read, it does not verify.
            return _failed(checks, name, VerificationError(error.message, where=error.where), found.facts)
        except _MALFORMED:
            strange = VerificationError("something in it is of a kind that no release holds", where=f"check {name!r}")
            return _failed(checks, name, strange, found.facts)
        if isinstance(words, Unchecked):
            checks.append(Check(name, Outcome.NOT_CHECKED, words.words))
        else:
            checks.append(Check(name, Outcome.HOLDS, words))
    return Verified(tuple(checks), found.facts)


def _failed(checks: list[Check], name: str, error: VerificationError, facts: dict[str, Any]) -> Verified:
    names = ["package", *_CHECKS]
    after = [Check(one, Outcome.NOT_CHECKED, "an earlier check failed") for one in names[names.index(name) + 1 :]]
    return Verified((*checks, Check(name, Outcome.FAILS, str(error)), *after), facts, error)


def _sums(found: _Found) -> str:
    return integrity.check_sums(found.package)


def _signature(found: _Found) -> str:
    signer, words = integrity.check_signature(found.package, found.key)
    found.facts["key_id"] = signer.id
    return words


def _description(found: _Found) -> str:
    found.described = parsed(found.package, DATAPACKAGE)
    return integrity.check_datapackage(found.package, found.described)


def _croissant(found: _Found) -> str:
    return integrity.check_croissant(found.package, parsed(found.package, CROISSANT))


def _rows(found: _Found) -> str:
    schema = next(one for one in found.described.parts("resources") if one.text("path") == found.package.csv)
    found.schema = figures.read_schema(found.described)
    found.table = rows.read_rows(found.package, schema.part("schema"), found.schema)
    found.facts["rows"] = found.table.num_rows
    return rows.check_rows(found.table, schema.part("schema"), found.package.parquet, found.schema)


def _statements(found: _Found) -> str:
    found.report = parsed(found.package, REPORT_JSON)
    words = figures.check_statements(found.package, found.table, found.report, found.described)
    found.facts["override"] = found.report.truth("override")
    return words


def _marginals(found: _Found) -> str:
    found.counts, words = figures.check_marginals(found.table, found.report, found.schema)
    return words


def _facts(found: _Found) -> str | Unchecked:
    digest = found.described.part("dpsynth").text("model_digest")
    check_chain(found.report, rows.labels_of(found.package))
    words = check_facts(found.report, found.schema, digest, found.books)
    if found.claimed:
        stated = found.report.part("guarantee").value
        # Words that were not computed again are not repeated.
        told = stated if isinstance(words, str) else {key: stated[key] for key in _NUMBERS if key in stated}
        found.facts["guarantee"] = dict(told)
    return words


def _model(found: _Found) -> str | Unchecked:
    return check_model(found.package, found.report, found.counts, found.books)


def _texts(found: _Found) -> str | Unchecked:
    release = described_release(found.package, found.table.column_names, found.report, found.described, found.schema)
    return check_texts(found.package, release, key_id=str(found.facts["key_id"]))


def _ledger(found: _Found) -> str | Unchecked:
    found.books = accounts.read_accounts(found.package)
    if found.books is None:
        return _nothing(found)
    return f"the hash chain of all {len(found.books.events)} events of the pool holds, and so do its balances and cap"


def _draws(found: _Found) -> str | Unchecked:
    return _nothing(found) if found.books is None else accounts.check_draws(found.books)


def _pool(found: _Found) -> str | Unchecked:
    if found.books is None:
        return _nothing(found)
    words = accounts.check_pool(found.books, found.report, found.described)
    state = found.books.state
    found.facts["pool"] = {"raised_after_outputs": state.raised_late, "disclosures": state.disclosures}
    return words


def _guarantee(found: _Found) -> str | Unchecked:
    if found.books is None or not found.claimed:
        return _nothing(found)
    return accounts.check_guarantee(found.books, found.report, found.report.text("transaction"))


def _answers(found: _Found) -> str | Unchecked:
    if found.books is None or not found.claimed:
        return _nothing(found)
    return accounts.check_answers(found.books, found.report, found.report.text("transaction"))


def _release(found: _Found) -> str | Unchecked:
    if found.books is None:
        return _nothing(found)
    content = found.described.part("dpsynth").text("content")
    found.facts["content"] = content
    return accounts.check_release(found.books, content, override=found.report.truth("override"))


def _nothing(found: _Found) -> Unchecked:
    if found.claimed:
        raise VerificationError("a stated guarantee needs the ledger that it was drawn from", where=LEDGER)
    if found.report.value.get("claim"):
        if found.books is not None:
            raise VerificationError("a claim needs no ledger, and has none", where=LEDGER)
        found.facts["claim"] = dict(found.report.part("claim").value)
        return Unchecked("the guarantee is the claim of whoever measured: dpsynth neither checked it nor paid for it")
    raise VerificationError("it states neither a guarantee nor whose claim it rests on", where=REPORT_JSON)


_CHECKS: dict[str, Callable[[_Found], str | Unchecked]] = {
    "sums": _sums,
    "signature": _signature,
    "data package": _description,
    "croissant": _croissant,
    "rows": _rows,
    "statements": _statements,
    "synthetic figures": _marginals,
    "ledger": _ledger,
    "losses": _draws,
    "pool": _pool,
    "guarantee": _guarantee,
    "answers": _answers,
    "facts": _facts,
    "model": _model,
    "release": _release,
    "texts": _texts,
}
"""The checks after the opening of the package, in their order."""
