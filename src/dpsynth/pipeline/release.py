"""The journey of a release: table, model, audit and ledger in; a signed package for a partner out.

Everything in the package is public before it gets here: rows drawn from a model, facts of the public report, the public
fields of the ledger. The audit opens the gate, and nothing of it goes further. The RELEASE event is on disk before the
package appears: a crash between the two records a release too many, never one too few.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpsynth.errors import GateError, NoGuaranteeError, UsageError
from dpsynth.evidence import Verdict
from dpsynth.ledger import Event, Ledger, PoolState
from dpsynth.ledger.public_texts import said_in_public
from dpsynth.models import Model, load
from dpsynth.models.model_file import holds_public_schema
from dpsynth.pipeline.candidates import candidate_of, pool_of
from dpsynth.pipeline.holdout import table_digest
from dpsynth.pipeline.origin import drawn_labels, model_digest
from dpsynth.pipeline.report import public_report
from dpsynth.pipeline.reported import (
    candidates_of,
    check_audit,
    paid_from,
    read_audit,
    released_table,
)
from dpsynth.release import layout, writing
from dpsynth.release.descriptions import descriptions
from dpsynth.release.keys import PrivateKey
from dpsynth.release.licenses import License
from dpsynth.release.metadata import Described
from dpsynth.release.tables import ReleasedRows, released_rows
from dpsynth.schema import Schema
from dpsynth.schema.formulas import formula_columns
from dpsynth.tables import check_output

_SHORTEST = 8


@dataclass(frozen=True)
class Terms:
    """How a table leaves: to whom, in place of which earlier release (its digest), and why in spite of the gate.

    ``recipient`` and the reason of ``override`` stay in the ledger; that there was an override is shown. ``name`` is
    that of the files, by default the schema's; ``license``: an SPDX identifier or a file, by default all rights are
    reserved.
    """

    recipient: str | None = None
    withdraws: str | None = None
    override: str | None = None
    with_model: bool = False
    license: str | None = None
    name: str | None = None
    title: str | None = None

    @property
    def overridden(self) -> bool:
        """Whether the gate is passed over."""
        return self.override is not None


@dataclass(frozen=True)
class Released:
    """What was handed out: where, the digest that the ledger knows it by, the signer, and what the giver should know.

    ``recorded``: whether the ledger got a new event; the same release again is the same event. None when there is no
    ledger to record it in: somebody else measured what the model is made of.
    """

    path: str
    digest: str
    key_id: str
    rows: int
    override: bool
    recorded: bool | None
    notes: tuple[str, ...]


def release(
    synthetic: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str],
    key: str | os.PathLike[str],
    output: str | os.PathLike[str],
    audit: str | os.PathLike[str] | None = None,
    ledger: Ledger | str | Path | None = None,
    terms: Terms | None = None,
    passphrase: str | None = None,
    force: bool = False,
) -> Released:
    """A signed package of the table: a folder, or a zip where ``output`` ends in ``.zip``; complete or absent.

    ``audit``: the release audit of exactly this table and model, with the verdict PASS. The same inputs, the ledger
    among them, give the same bytes.

    Raises ``GateError`` (5) without a PASS or an override, ``NoGuaranteeError`` (9) for a model or table without a
    guarantee or claim and for a ledger that ended with its process, ``DataMismatchError`` (3) for a table, audit or
    sidecar of something else, ``UsageError`` (2) for a key that cannot be used, a bad name or an unknown digest.
    """
    wish = terms or Terms()
    _check_line(wish.recipient, "--recipient")
    _check_line(wish.title, "--title")
    _check_target(output, force=force)
    signer = PrivateKey.load(key, passphrase)
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    case = _Case.of(synthetic, os.fspath(model), audit, book, wish)
    case.members(signer.public.id)  # whatever can fail has failed before the ledger is told
    found = candidate_of(str(table_digest(synthetic)), case.model.provenance)
    recorded = record(book, case.pool, case.content, wish, candidate=found)
    members = case.members(signer.public.id)
    writing.write(writing.signed(members, signer), output, force=force)
    return Released(
        os.fspath(output), case.content, signer.public.id, case.rows.rows, wish.overridden, recorded, case.notes
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """What belongs together and may leave."""

    path: str
    model: Model
    schema: Schema
    digest: str
    audit: str | os.PathLike[str] | None
    book: Ledger
    pool: PoolState | None
    rows: ReleasedRows
    labels: tuple[str, ...]
    name: str
    license: License
    terms: Terms

    @staticmethod
    def of(
        synthetic: str | os.PathLike[str], path: str, audit: str | os.PathLike[str] | None, book: Ledger, terms: Terms
    ) -> _Case:
        model = load(path)
        schema = _promised(model)
        _check_enclosed(path, terms)
        digest = model_digest(path)
        labels = drawn_labels(synthetic, digest)
        _gate(audit, digest, synthetic, terms)
        if model.claim is not None and not terms.overridden:
            hint = "Whoever answers for it says so: --override REASON."
            what = f"its guarantee is {model.claim.stamp}: dpsynth vouches for none"
            raise NoGuaranteeError(what, where="--model", hint=hint)
        name = layout.checked_name(_name_of(schema) if terms.name is None else terms.name)
        pool = pool_of(book, model.provenance) if model.dp else None
        if not model.dp:
            _check_unrecorded(terms)
        license_ = License.of(terms.license)
        rows = released_rows(synthetic, schema, name, labels)
        return _Case(path, model, schema, digest, audit, book, pool, rows, labels, name, license_, terms)

    @property
    def content(self) -> str:
        """What the ledger knows this release by: the tables, the model and whether the gate was passed over."""
        tables = {member: layout.digest(content) for member, content in self.rows.members.items()}
        return layout.content_digest(tables, self.digest, override=self.terms.overridden)

    @property
    def notes(self) -> tuple[str, ...]:
        said = []
        if not self.rows.rows:
            said.append("The table is empty: the package holds no row.")
        if columns := formula_columns(self.schema):
            said.append(f"Texts of {', '.join(columns)} begin with = + - or @: the README warns of spreadsheets.")
        if self.pool is not None and (told := said_in_public(self.book.events(self.pool.name))):
            said.append(told)
        if self.pool is None:
            said.append("No ledger paid for the model: neither this release nor why it was made is recorded anywhere.")
        if self.terms.license is None:
            said.append("No license was named: all rights are reserved. Name one with --license.")
        return tuple(said)

    def report(self) -> dict[str, Any]:
        """The facts of the public report as they are now, on the rows as they are released.

        They are read from the typed form: a line break in a cell of CSV would be a row to whoever reads line by line.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.parquet")
            path.write_bytes(self.rows.members[layout.table_members(self.name)[1]])
            table, _ = released_table(path, self.model)
        found = None if self.audit is None else read_audit(os.fspath(self.audit))
        known = set(self.model.provenance.get("labels", ()))
        facts = public_report(
            self.model,
            paid_from(self.book, self.model),
            table,
            tuple(label for label in self.labels if label not in known),
            candidates=candidates_of(found),
            override=self.terms.overridden,
        )
        return facts.to_dict()

    def members(self, key_id: str) -> dict[str, bytes]:
        """All members but the sums and the signature."""
        described = Described(
            name=self.name,
            title=self.terms.title or f"Synthetic rows of {self.schema.name}",
            license=self.license.entry,
            columns=self.rows.columns,
            tables={name: (layout.digest(content), len(content)) for name, content in self.rows.members.items()},
            schema=self.schema,
            model_digest=self.digest,
            report=self.report(),
        )
        return {
            **self.rows.members,
            layout.LICENSE: self.license.text,
            layout.LEDGER: self._ledger(),
            **({layout.MODEL: Path(self.path).read_bytes()} if self.terms.with_model else {}),
            **descriptions(described, key_id=key_id, with_model=self.terms.with_model),
        }

    def _ledger(self) -> bytes:
        if self.pool is None:
            return b""
        return ("\n".join(self.book.extract(self.pool.name)) + "\n").encode("ascii")


def record(
    book: Ledger, pool: PoolState | None, content: str, terms: Terms, *, candidate: str | None = None
) -> bool | None:
    """Put the release on record, and what it withdraws; False if it is there already, None without a pool.

    ``candidate``: what its audits are on record under, which ends their round if a gate opened for it.
    """
    if pool is None:
        return None
    events = book.events(pool.name, releases=True)
    _withdraw(book, pool, content, events, terms)
    private = {
        "recipient": terms.recipient,
        "reason": terms.override,
        "with_model": terms.with_model or None,
        "candidate": candidate,
    }
    for event in _standing(events, content):
        same = all(event.secret(name) == private[name] for name in ("recipient", "with_model"))
        if same and event.data.get("override") == terms.overridden:
            return False
    given = {name: value for name, value in private.items() if value is not None}
    book.record(pool.name, "RELEASE", {"content": content, "override": terms.overridden}, private=given)
    return True


def _standing(events: tuple[Event, ...], content: str) -> tuple[Event, ...]:
    """The releases of this content that were not withdrawn since."""
    ends = [place for place, one in enumerate(events) if one.data.get("withdraws") == content]
    return tuple(one for one in events[max(ends, default=-1) + 1 :] if one.data.get("content") == content)


def _withdraw(book: Ledger, pool: PoolState, content: str, events: tuple[Event, ...], terms: Terms) -> None:
    if terms.withdraws is None:
        return
    known = [str(one.data["content"]) for one in events if "content" in one.data]
    found = sorted({one for one in known if one.startswith(terms.withdraws)})
    if len(found) != 1 or len(terms.withdraws) < _SHORTEST:
        hint = "'dpsynth ledger show --releases' lists them; eight digits are enough."
        raise UsageError("no one release of this pool has this digest", where="--withdraws", hint=hint)
    if found[0] == content:
        raise UsageError("a release cannot take its own place", where="--withdraws")
    if _standing(events, found[0]):
        book.record(pool.name, "RELEASE", {"withdraws": found[0]}, private={"reason": terms.override})


def _name_of(schema: Schema) -> str:
    """The schema's name as one of files: what cannot be in one becomes a dash."""
    return re.sub(r"[^a-z0-9._-]+", "-", schema.name.lower()).strip("-._")[:60].rstrip("-._") or "rows"


def _check_line(text: str | None, where: str) -> None:
    """``UsageError`` unless a name is one line of text: it is listed, and read, by whoever is asked or gets it."""
    if text is not None and (not text.strip() or not text.isprintable() or len(text) > 200):
        raise UsageError("this is one line of 1 to 200 printable characters", where=where)


def _check_unrecorded(terms: Terms) -> None:
    """``UsageError`` for what only a ledger can keep, of a model that none paid for."""
    for option, given in (("--recipient", terms.recipient), ("--withdraws", terms.withdraws)):
        if given is not None:
            raise UsageError("no ledger paid for the model, so there is none to keep this", where=option)


def _promised(model: Model) -> Schema:
    """The schema of a model that may be released; ``NoGuaranteeError`` for one that nobody vouches for."""
    if not model.dp and model.claim is None:
        raise NoGuaranteeError("no guarantee is recorded in the model: nothing made of it is released", where="--model")
    if model.dp and model.provenance.get("ledger") == "ephemeral":
        hint = "Fit with a ledger on disk: the default, or --ledger."
        raise NoGuaranteeError("the ledger that paid for the model ended with its process", where="--model", hint=hint)
    if model.schema is None:
        raise UsageError("the model carries no schema, which a package needs to describe its columns", where="--model")
    return model.schema


def _check_enclosed(path: str, terms: Terms) -> None:
    """``NoGuaranteeError`` for a model file that may not leave as it is: its bytes are what the package would hold."""
    if terms.with_model and not holds_public_schema(path):
        what = "the file tells domains of columns that are not modeled, which may be values of rows: an older dpsynth"
        hint = "Leave --with-model out, or fit again."
        raise NoGuaranteeError(f"{what} wrote it", where="--model", hint=hint)


def _gate(audit: Any, model: str, synthetic: Any, terms: Terms) -> None:
    """Return if the audit opens the gate, or somebody passes over it; ``GateError`` otherwise."""
    if terms.override is not None and not terms.override.strip():
        raise UsageError("an override needs a reason", where="--override")
    found = None if audit is None else read_audit(audit)
    if found is not None:
        check_audit(found, model, synthetic)
    if terms.overridden or (found is not None and found.verdict == Verdict.PASS.value):
        return
    hint = "Audit it: dpsynth audit release; or take responsibility: --override REASON."
    if found is None:
        raise GateError("the table was not audited, so no gate is open", where="--audit", hint=hint)
    raise GateError(f"the audit says {found.verdict} under the gate {found.gate}", where="--audit", hint=hint)


def _check_target(output: str | os.PathLike[str], *, force: bool) -> None:
    if os.fspath(output) == "-":
        raise UsageError("a package is a file or a folder", where="--output")
    if os.fspath(output).lower().endswith(".zip") or not Path(output).exists():
        check_output(output, force=force)
    else:
        writing.check_folder(Path(output), force=force)
