"""The facts of the public report that follow from ledger, schema and rows: each is computed again, none is left over.

What remains is the publisher's word: noisy counts and intervals without the model that they are of, and how the fit was
set up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.errors import DpsynthError, VerificationError
from dpsynth.evidence import Color
from dpsynth.ledger import software
from dpsynth.models import Claim
from dpsynth.models.origin import drawing
from dpsynth.privacy.labels import Label, LabelKind
from dpsynth.privacy.laws import deviation
from dpsynth.privacy.unit import Unit
from dpsynth.release.layout import LEDGER
from dpsynth.release.verifying.accounts import Accounts
from dpsynth.release.verifying.documents import Part
from dpsynth.release.verifying.outcome import Unchecked
from dpsynth.report.marginals import LEVEL, MARGINAL, mean_error, source_of
from dpsynth.report.meaning import NEIGHBORS, NOT_PROTECTED, guarantee_figures, meaning
from dpsynth.report.pool import public_pool
from dpsynth.report.public import ANSWER, KEYS, VERSION, described_columns
from dpsynth.schema import Schema

_GUARANTEE = {"epsilon", "delta", "governor", "neighbors", "unit", "protects", "stability", "reservation"}


def check_facts(report: Part, schema: Schema, model_digest: str, accounts: Accounts | None) -> str | Unchecked:
    """In words that the report states what follows from ledger, schema and rows, and nothing beside it;
    ``VerificationError`` names the first fact that does not.

    The words of another version may be others, and its facts more or fewer: they are not checked then.
    """
    if not ours(report):
        return Unchecked(f"written by {maker(report)}: only that version can compute all of its facts again")
    if set(report.value) != set(KEYS):
        strange = sorted(set(report.value) ^ set(KEYS))
        raise VerificationError(f"a fact is missing, or none that a report states: {strange[0]!a}", where=report.where)
    transaction = report.text("transaction") if accounts is not None else ""
    pool = None if accounts is None else public_pool(accounts.state, accounts.events, transaction).to_dict()
    _check_labels(report, model_digest)
    _check_fit(report, accounts)
    if report.value["guarantee"]:
        _check_guarantee(report.part("guarantee"), schema, report)
    for name, value in _expected(report, schema, pool).items():
        _equal(report.value[name], value, f"{report.where}, {name}")
    for one in report.parts("answers"):
        _check_answer(one, schema, {} if accounts is None else accounts.questions)
    for one, column in zip(report.parts("marginals"), report.parts("columns"), strict=True):
        _check_marginal(one, column.text("name"), schema, report)
    return "every fact of the report that follows from ledger, schema and rows is stated as it follows"


def check_chain(report: Part, carried: Sequence[str]) -> None:
    """``VerificationError`` unless the labels that the table carries are among those of the report, and the draw and
    all that was done after it is among the table's.
    """
    stated = [str(label) for label in report.list("preprocessing")]
    drawn = (place for place, label in enumerate(stated) if label.startswith(f"{LabelKind.POST} {drawing('')}"))
    if not set(carried) <= set(stated) or not set(stated[next(drawn, 0) :]) <= set(carried):
        raise VerificationError("its labels are not those that the table carries", where=report.where)


def ours(report: Part) -> bool:
    """Whether this version of dpsynth wrote the report."""
    return report.value.get("made_by") == software() and report.value.get("report_version") == VERSION


def maker(report: Part) -> str:
    """Which version wrote the report, as it may be printed."""
    stated = report.value.get("made_by")
    return ascii(stated[:40]) if isinstance(stated, str) else "an earlier version"


def _expected(report: Part, schema: Schema, pool: Mapping[str, Any] | None) -> dict[str, Any]:
    """The facts that follow, as a report states them."""
    stated = dict(report.value["guarantee"])
    claim = None if stated else _claim(report)
    candidates = None if report.value["candidates"] is None else report.whole("candidates")
    names = [one.text("name") for one in report.parts("columns")]
    if unknown := [name for name in names if name not in schema.domain]:
        raise VerificationError(f"the schema knows no column {unknown[0]!a}", where=report.where)
    return {
        "report_version": VERSION,
        "edition": "public",
        "color": "released",
        "title": schema.name,
        "dp": True if claim is None else claim.stamp,
        "claim": None if claim is None else claim.record(),
        "meaning": meaning(stated, pool, candidates, override=report.truth("override")),
        "pool": pool,
        "figures": [figure.to_dict() for figure in guarantee_figures(stated, pool)],
        "columns": described_columns(schema, {name: schema.domain[name] for name in names}),
        "not_protected": list(NOT_PROTECTED),
    }


def _check_fit(report: Part, accounts: Accounts | None) -> None:
    """``VerificationError`` unless method, settings and versions are those that the reservation recorded; what it did
    not record must be such a thing.
    """
    method, settings, versions = report.text("method"), report.part("settings"), report.part("software")
    if not all(isinstance(version, str) for version in versions.value.values()):
        raise VerificationError("a version is no text", where=versions.where)
    if accounts is None or not report.value["guarantee"]:
        return
    recorded = accounts.of(report.text("transaction"), "RESERVE").data
    details = Part(recorded.get("details", {}), f"{LEDGER}, reservation").value
    _equal(method, recorded.get("method", method), f"{report.where}, method")
    _equal(versions.value, details.get("versions", versions.value), versions.where)
    learned = "discover_share" in Part(details.get("settings", {}), f"{LEDGER}, reservation").value
    # A fit that learns its domain knows the settings of its method only after the reservation.
    _equal(settings.value, settings.value if learned else details.get("settings", settings.value), settings.where)


def _claim(report: Part) -> Claim:
    stated = report.part("claim")
    try:
        return Claim(**stated.value)
    except (DpsynthError, TypeError):
        raise VerificationError("it does not say whose claim this is", where=stated.where) from None


def _check_guarantee(stated: Part, schema: Schema, report: Part) -> None:
    """``VerificationError`` unless the words of a guarantee are those of its unit, and its stability that of the labels
    of what was done before; its numbers are checked against the ledger.
    """
    if set(stated.value) != _GUARANTEE:
        raise VerificationError("a guarantee states other things than this", where=stated.where)
    try:
        unit = Unit.parse(stated.text("unit"))
    except DpsynthError:
        raise VerificationError("the unit of privacy is malformed", where=stated.where) from None
    protects = unit.description if schema.reshape is None else schema.reshape.protects
    _equal(stated.text("protects"), protects, f"{stated.where}, protects")
    _equal(stated.text("neighbors"), NEIGHBORS, f"{stated.where}, neighbors")
    stability = math.prod(label.stability for label in _labels(report))
    _equal(stated.whole("stability"), stability, f"{stated.where}, stability")


def _check_labels(report: Part, model_digest: str) -> None:
    """``VerificationError`` unless the labels end in a draw from the model, and none takes the guarantee away."""
    labels = _labels(report)
    if not any(one.kind is LabelKind.POST and one.step.startswith(drawing(model_digest)) for one in labels):
        raise VerificationError("no label says that the rows were drawn from the model", where=report.where)
    if any(one.kind is LabelKind.NON_DP or "dp: false" in one.step for one in labels):
        raise VerificationError("a label says that no guarantee holds", where=report.where)


def _labels(report: Part) -> list[Label]:
    try:
        return [Label.parse(text, report.where) for text in report.list("preprocessing")]
    except (DpsynthError, TypeError):
        raise VerificationError("a label is malformed", where=f"{report.where}, preprocessing") from None


def _check_answer(one: Part, schema: Schema, questions: Mapping[str, Mapping[str, Any]]) -> None:
    """``VerificationError`` unless an answer says what the ledger recorded of it, and what the schema says of its
    cells; its scale and columns are checked against the ledger.
    """
    if set(one.value) != set(ANSWER):
        raise VerificationError("an answer states other things than this", where=one.where)
    asked = questions[one.part("receipt").text("event")]
    for key in ("question", "law", "sensitivity"):
        _equal(one.value[key], asked.get(key), f"{one.where}, {key}")
    selected, measured = asked["question"] == "select", asked["question"] == "measure"
    _equal(one.value["sampler"], None if selected else asked.get("sampler"), f"{one.where}, sampler")
    columns, coarsened = one.list("columns"), one.list("coarsened")
    if not set(coarsened) <= set(columns) & set(asked.get("coarsened", ())):
        raise VerificationError("it names columns that were not coarsened", where=f"{one.where}, coarsened")
    if selected:
        _equal(one.value["cells"], asked.get("candidates"), f"{one.where}, cells")
    if (selected or measured) and one.value["cells"] is not None and not set(columns) <= set(schema.domain):
        raise VerificationError("it names columns that the schema does not know", where=f"{one.where}, columns")
    if measured and one.value["cells"] is not None:
        most = math.prod(schema.domain[name] for name in columns)
        if one.whole("cells") != most and not (coarsened and 0 < one.whole("cells") < most):
            raise VerificationError("it has another number of cells than its columns", where=f"{one.where}, cells")


def _check_marginal(one: Part, name: str, schema: Schema, report: Part) -> None:
    """``VerificationError`` unless a column is stated with its labels, in numbers, and with the noise of its answer."""
    if set(one.value) != set(MARGINAL):
        raise VerificationError("a column states other things than this", where=one.where)
    _equal(one.list("columns"), [name], one.where)
    _equal(one.list("labels"), list(schema.codec(name).labels), f"{one.where}, labels")
    draw = None if one.value.get("draw") is None else one.whole("draw")
    _equal(one.value.get("source"), source_of(draw), f"{one.where}, source")
    _equal(one.value.get("color"), Color.RELEASED.value, f"{one.where}, color")
    _equal(one.value.get("level"), LEVEL, f"{one.where}, level")
    for key in ("noisy", "low", "high"):
        if not all(type(number) in (int, float) and math.isfinite(number) for number in one.list(key)):
            raise VerificationError("a count is no number", where=f"{one.where}, {key}")
    if any(low > high for low, high in zip(one.list("low"), one.list("high"), strict=True)):
        raise VerificationError("an interval ends before it begins", where=one.where)
    if one.value.get("error") not in _errors(report, name, draw):
        raise VerificationError("it states another noise than the answer that it is of", where=one.where)


def _errors(report: Part, name: str, draw: int | None) -> list[float | None]:
    """The mean error of every answer that the counts of a column may be; ``None`` alone for an estimate."""
    if draw is None:
        return [None]
    return [
        mean_error(one.text("law"), float(deviation(one.text("law"), float(one.number("scale")))))
        for one in report.parts("answers")
        if one.value.get("columns") == [name] and one.part("receipt").value.get("draw") == draw
    ]


def _equal(stated: Any, follows: Any, where: str) -> None:
    # As texts, so that 0, 0.0 and False are told apart at every depth.
    if json.dumps(stated, sort_keys=True) != json.dumps(follows, sort_keys=True):
        raise VerificationError("it is not what follows from the ledger, the schema and the rows", where=where)
