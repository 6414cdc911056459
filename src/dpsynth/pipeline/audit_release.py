"""The journey of a release audit: real rows and a synthetic table in, a verdict under a gate out.

Reads real rows on an explicit command and adds no noise: the result is INTERNAL in every form. What can be refused is
refused before a real row is read; the attempt is on record in the ledger before that, too.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.audit.attacks.refits import Refit
from dpsynth.audit.attacks.suite import Attacked, Sizes, attacked
from dpsynth.audit.attacks.tables import AttackedTables
from dpsynth.audit.attacks.uniqueness import equivalence_classes
from dpsynth.audit.gate import DEFAULT, Gate, load_gate
from dpsynth.audit.rates import Advantage, Rate, least
from dpsynth.audit.release_audit import Guarantee, ReleaseAudit, judged_by, threshold, unmeasured
from dpsynth.audit.rules import ReleaseFacts, Ruling, ruling
from dpsynth.domain import Domain
from dpsynth.errors import DataMismatchError, UsageError
from dpsynth.ledger import Ledger, PoolState
from dpsynth.metrics import CodedTable
from dpsynth.models import Model, load
from dpsynth.pipeline.audited import AuditedTables
from dpsynth.pipeline.candidates import attempt_of, check_there, counted, pool_of
from dpsynth.pipeline.holdout import Holdout, check_same_table, read_holdout, table_digest
from dpsynth.pipeline.manifest import versions
from dpsynth.pipeline.plan import load_schema, unit_of
from dpsynth.pipeline.progress import Progress, silent
from dpsynth.pipeline.refits import Games, refits_of
from dpsynth.privacy.answers import NoisyMarginal
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Schema
from dpsynth.tables import read_sidecar

ADVANTAGE = "advantage"
FEWEST, MOST = 500, 5_000
"""How many vulnerable records are attacked, whatever a threshold asks for."""

_GAMES = (
    "The refits speak of the method on this table and of the records that were played for, not of the one release: "
    "other records may stand out more, and what was selected is not part of the guess."
)


def audit_release(
    real: Any,
    synthetic: Any,
    model: Model | str | Path | None = None,
    *,
    holdout: str | Path | None = None,
    schema: Schema | str | Path | None = None,
    gate: str | Path = DEFAULT,
    ledger: Ledger | str | Path | None = None,
    seed: int = 0,
    refits: int = 0,
    delimiter: str | None = None,
    announce: Callable[[str], object] = lambda _: None,
    progress: Progress = silent,
) -> ReleaseAudit:
    """What attackers find out about the rows of ``real`` from ``synthetic``, and whether a gate lets it pass.

    ``holdout``: the key file of the fit, which tells again who was held out: the control group of every rate. Without
    it the figures are INCONCLUSIVE and say so. ``gate``: a name or a file. ``schema``: by default the model's.
    ``ledger``: where the model's pool counts the attempts. ``seed`` repeats the audit's own choices.
    ``refits``: so many fits of the model's kind for each of a few records, with and without it, none of which is kept;
    ``announce`` is told after two of them how long all will take.

    Raises ``UsageError``, ``SchemaError``, ``DataMismatchError`` for what does not fit together, ``LedgerError`` for a
    ``ledger`` that is not there, ``GateError`` for one candidate too many. Cost on 48,842 rows of 15 columns:
    ``bench/audit_attacks.py``.
    """
    rules = load_gate(gate)
    made, case = _case(model, schema, holdout)
    notes, games = case.checked(real), Games(case.refits(refits, rules), refits)
    tables = AuditedTables(real, synthetic, case.schema, case.unit, holdout=case.holdout, delimiter=delimiter)
    book = _book(ledger, made)
    digests = _digests(real, synthetic, model, holdout, rules)
    progress("reading the tables", 0.0)
    released = tables.synthetic()
    pool, attempt = _brought(book, rules, made, _candidate(digests, made, released), refits)
    facts = case.facts(synthetic, tables.columns, released, pool)
    rows = AttackedTables(tables.fitted(), tables.held_out(), released)
    return _judged(
        rules,
        facts,
        Guarantee(facts.dp, facts.epsilon, facts.delta, case.protects),
        _attacks(rules, case, tables, rows, games, seed=seed, announce=announce, progress=progress),
        samples={**rows.samples, "refits": refits},
        holdout=case.holdout_record(real),
        counting=counted(rules, book, attempt, dp=facts.dp),
        attempt=attempt,
        digests=digests,
        seed=seed,
        names=tables.names,
        notes=(*notes, *_notes(rules, rows, pool, made, refits)),
    )


def _book(ledger: Ledger | str | Path | None, model: Model | None) -> Ledger:
    """The ledger; ``LedgerError`` where one was named that is not there and should know the model's pool."""
    book = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
    if ledger is not None and model is not None:
        check_there(book, model.provenance)
    return book


def _brought(
    book: Ledger, gate: Gate, model: Model | None, candidate: str, refits: int
) -> tuple[PoolState | None, dict[str, int] | None]:
    """The pool that paid for the model, and the number of this attempt in it; ``None`` where nobody knows the pool."""
    pool = None if model is None else pool_of(book, model.provenance)
    return pool, None if pool is None else attempt_of(book, pool, gate, candidate, refits)


def _judged(
    gate: Gate,
    facts: ReleaseFacts,
    claim: Guarantee,
    attack: Callable[[Guarantee], Attacked],
    *,
    counting: tuple[Ruling, ...],
    **recorded: Any,
) -> ReleaseAudit:
    """The rulings, the attacks and their verdicts, with what else is ``recorded``."""
    rulings = [ruling(part, facts) for part in gate.document.rules]
    found = attack(claim)
    findings, reported = judged_by(gate, claim, found.observed)
    return ReleaseAudit(
        gate=gate,
        claim=claim,
        rulings=(*rulings, *counting, *unmeasured(gate, found.observed)),
        findings=findings,
        reported=tuple(reported),
        smoke=found.smoke,
        membership=found.membership,
        environment={**versions(), "platform": platform.platform()},
        **recorded,
    )


@dataclass(frozen=True, eq=False)
class _Case:
    """What belongs together: a model, its schema, and the holdout of its fit."""

    model: Model | None
    schema: Schema
    holdout: Holdout | None

    @property
    def unit(self) -> Unit:
        """Whom the fit protected."""
        if self.model is not None and "unit" in self._guarantee:
            return Unit.parse(self._guarantee["unit"])
        return self.holdout.unit if self.holdout is not None else unit_of(self.schema, None)

    @property
    def protects(self) -> str | None:
        said = self._guarantee.get("protects")
        return None if said is None else str(said)

    @property
    def _guarantee(self) -> Mapping[str, Any]:
        found = {} if self.model is None else self.model.provenance.get("guarantee", {})
        return found if isinstance(found, Mapping) else {}

    def checked(self, real: Any) -> tuple[str, ...]:
        """What the holdout cannot vouch for; ``DataMismatchError`` when it is of another fit or another table."""
        if self.holdout is None:
            return ()
        if self.model is not None and self.model.provenance.get("transaction") != self.holdout.transaction:
            hint = "Give the holdout file that was written beside this model."
            raise DataMismatchError("the holdout is of another fit: this one may have seen its rows", hint=hint)
        if check_same_table(self.holdout, real):
            return ()
        return ("The fitted table was no file, or this one is none: that it is the same table was not checked.",)

    def facts(
        self, synthetic: Any, columns: tuple[str, ...], released: CodedTable, pool: PoolState | None
    ) -> ReleaseFacts:
        said = self._guarantee
        quasi = [field.name for field in self.schema.modeled if field.role == "quasi"]
        known = [name for name in released.domain if name in quasi] or list(released.domain)
        return ReleaseFacts(
            schema=self.schema,
            columns=columns,
            dp=_dp(self.model, synthetic),
            epsilon=float(said["epsilon"]) if "epsilon" in said else None,
            delta=float(said["delta"]) if "delta" in said else None,
            pool_epsilon=None if pool is None else float(pool.epsilon),
            smallest=int(equivalence_classes(released, tuple(known))["smallest"]),
        )

    def answers(self) -> tuple[NoisyMarginal, ...]:
        """The noisy marginals whose likelihood ratio is exact for one row; none where a person may have several."""
        if self.model is None or not (self.unit.column is None or self.schema.reshape is not None):
            return ()
        return tuple(one for one in self.model.answers if isinstance(one, NoisyMarginal))

    def refits(self, rounds: int, gate: Gate) -> Callable[[CodedTable], Refit] | None:
        """Fits of the model's kind, if any are wanted; ``UsageError`` where there can be none."""
        if rounds < 0:
            raise UsageError("the number of refits is at least 0", where="--refits")
        if not rounds:
            return None
        if not gate.document.risks:
            raise UsageError("this gate has no threshold for any risk: no attack is made", where="--refits")
        if self.model is None:
            raise UsageError("refits need the model", where="--refits", hint="Give --model.")
        return refits_of(self.model, self.unit)

    def holdout_record(self, real: Any) -> dict[str, Any] | None:
        if self.holdout is None:
            return None
        unit = str(self.holdout.unit)
        return {
            "share": str(self.holdout.coins.share),
            "unit": unit,
            "table_checked": None not in (self.holdout.sha256, table_digest(real)),
        }


def _case(
    model: Model | str | Path | None, schema: Schema | str | Path | None, holdout: str | Path | None
) -> tuple[Model | None, _Case]:
    made = load(model) if isinstance(model, str | Path) else model
    return made, _Case(made, _schema(schema, made), None if holdout is None else read_holdout(holdout))


def _schema(schema: Schema | str | Path | None, model: Model | None) -> Schema:
    carried = None if model is None else model.schema
    if schema is None and carried is None:
        raise UsageError("the audit needs a schema to read the tables", hint="Give --model, or --schema.")
    loaded = carried if schema is None else load_schema(schema)
    assert loaded is not None  # noqa: S101 (one of the two is there)
    if model is not None and _sizes(loaded.domain) != _sizes(model.domain):
        hint = "Audit under the schema of the fit: leave --schema out."
        raise DataMismatchError("the model was fitted under another schema", where=loaded.name, hint=hint)
    return loaded


def _sizes(domain: Domain) -> dict[str, int]:
    return {name: domain[name] for name in domain}


def _dp(model: Model | None, synthetic: Any) -> bool | str | None:
    """What is said of the table: the worst of what the model and the table's own labels say."""
    labels: tuple[str, ...] = ()
    if isinstance(synthetic, str | os.PathLike) and os.fspath(synthetic) != "-":
        sidecar = read_sidecar(synthetic)
        labels = sidecar.labels if sidecar else ()
    kinds = [Label.parse(label, os.fspath(synthetic)) for label in labels]
    if any(label.kind is LabelKind.NON_DP or "dp: false" in label.step for label in kinds):
        return False
    if model is None:
        return None
    return model.claim.stamp if model.claim else model.dp


def _attacks(
    gate: Gate,
    case: _Case,
    opened: AuditedTables,
    tables: AttackedTables,
    games: Games,
    *,
    seed: int,
    announce: Callable[[str], object],
    progress: Progress,
) -> Callable[[Guarantee], Attacked]:
    """From the claim to what all attacks found, the leave-one-out games among them."""
    end = 0.3 if games.rounds else 1.0

    def attack(claim: Guarantee) -> Attacked:
        part = _part(progress, 0.1, end)
        found = _attack(gate, claim, case, tables, opened.undeclared, seed=seed, progress=part)
        return found.with_more(games.played(tables.fitted, seed, announce, _part(progress, end, 1.0)))

    return attack


def _attack(
    gate: Gate,
    claim: Guarantee,
    case: _Case,
    tables: AttackedTables,
    undeclared: Callable[[], int],
    *,
    seed: int,
    progress: Progress,
) -> Attacked:
    """Every attack, where the gate has a threshold for any; as many records as its thresholds need."""
    if not gate.document.risks:
        return Attacked((), (), ())
    part = gate.risk_of("membership", ADVANTAGE)
    smallest = 1.0 if part is None else threshold(part, claim, ADVANTAGE)
    quasi = [field.name for field in case.schema.modeled if field.role == "quasi" and field.name in case.schema.domain]
    return attacked(
        tables,
        np.random.default_rng(seed),
        answers=case.answers(),
        quasi=quasi or None,
        undeclared=undeclared(),
        sizes=Sizes(vulnerable=_records_for(smallest, gate.document.alpha)),
        progress=progress,
    )


def _part(progress: Progress, start: float, end: float) -> Progress:
    """The progress of what takes this part of all work."""
    return lambda stage, done: progress(stage, start + (end - start) * done)


def _records_for(limit: float, alpha: float) -> int:
    """Twice the records whose advantage is bounded by the limit when nothing leaks, within ``FEWEST`` and ``MOST``."""

    def enough(n: int) -> bool:
        half = Rate(n // 2, n)
        return n >= MOST or Advantage(half, half).upper(alpha) <= limit

    return min(MOST, max(FEWEST, 2 * (least(enough) or MOST)))


def _digests(real: Any, synthetic: Any, model: Any, holdout: str | Path | None, gate: Gate) -> dict[str, str | None]:
    """SHA-256 of everything that went in; ``None`` for what is no file."""
    sources = {"real": real, "synthetic": synthetic, "model": model, "holdout": holdout}
    return {**{name: table_digest(source) for name, source in sources.items()}, "gate": gate.sha256}


def _candidate(digests: Mapping[str, str | None], model: Model | None, released: CodedTable) -> str:
    """What makes a candidate: the table (its file, else its coded rows), and the fit it is said to come from."""
    fit = "" if model is None else str(model.provenance.get("transaction"))
    table = digests["synthetic"]
    if table is None:
        rows = hashlib.sha256()
        for name in released.domain:
            rows.update(released.columns[name].tobytes())
        table = rows.hexdigest()
    return hashlib.sha256(f"{table}\0{fit}".encode()).hexdigest()


def _notes(gate: Gate, tables: AttackedTables, pool: PoolState | None, model: Model | None, refits: int) -> list[str]:
    """What the audit cannot say."""
    said = []
    if not gate.document.risks:
        said.append("This gate has no threshold for any risk: no attack was made.")
    elif not tables.held_out.rows:
        said.append(
            "Without a holdout nobody is known not to have been fitted: it cannot be told what an attacker learns from "
            "the release and what he could guess of anybody. Fit with --holdout 10%."
        )
    if model is None:
        said.append("No model was given: nobody knows which fit the table comes from, and attempts were not counted.")
    elif pool is None:
        said.append("The ledger does not know the model's pool: attempts were not counted.")
    if refits:
        said.append(_GAMES)
    said.append(
        "One table of one fit was attacked, by the attackers that are named. Another draw of the same model, or an "
        "attacker nobody thought of, may do better: only the guarantee speaks of all of them."
    )
    return said
