"""The ledger extract, recomputed: chains, the loss of every draw from its recorded scales, and the stated guarantee.

Everything is exact integer arithmetic in the units of the ledger, by the same laws that charged (``privacy/laws.py``).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from dpsynth.errors import DpsynthError, VerificationError
from dpsynth.ledger.chain import Event
from dpsynth.ledger.extract import parse_extract, verify_extract, written
from dpsynth.ledger.pool_state import PoolState
from dpsynth.privacy.conversions import epsilon_of_mu2, epsilon_of_rho, exact_from_record
from dpsynth.privacy.governor import Governor
from dpsynth.privacy.laws import LOSSES
from dpsynth.privacy.loss import PrivacyLoss
from dpsynth.privacy.receipt import loss_from_record
from dpsynth.privacy.thresholds import discovery_delta
from dpsynth.release.layout import LEDGER
from dpsynth.release.pool_words import beyond_cap
from dpsynth.release.verifying.documents import Part, exact
from dpsynth.release.verifying.opening import MAX_TEXT, Package
from dpsynth.report.pool import receipt_of

_STATED = Context(prec=12, rounding=ROUND_CEILING)
_LARGEST_SENSITIVITY = 1 << 60
_MOST_PRICES = 1 << 16
_TOGETHER = ("categories", "distinct_counts")
_TOLERANCE = 1 + Fraction(1, 10**9)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The verified chain of the pool: its state and events."""

    state: PoolState
    events: Sequence[Event]

    @property
    def digest(self) -> str:
        """The SHA-256 of the pool's identifier."""
        return hashlib.sha256(self.state.pool_id.encode()).hexdigest()

    @property
    def questions(self) -> dict[str, Mapping[str, Any]]:
        """What each draw of the pool asked, by the hash of its event."""
        return {one.hash: one.data["question"] for one in self.events if one.kind == "DRAW"}

    def draws(self, transaction: str) -> dict[str, Event]:
        """The DRAW events of a transaction, by hash."""
        return {one.hash: one for one in self.events if one.kind == "DRAW" and one.transaction == transaction}

    def of(self, transaction: str, kind: str) -> Event:
        """The one event of this kind of a transaction; ``VerificationError`` if it is not there."""
        found = [one for one in self.events if one.kind == kind and one.transaction == transaction]
        if len(found) != 1:
            raise VerificationError(f"the ledger has no {kind} event of the fit that made this release", where=LEDGER)
        return found[0]


def read_accounts(package: Package) -> Accounts | None:
    """The accounts of the one pool whose public extract the package holds, None when it holds no event at all.

    ``VerificationError`` if its hashes, links, transitions, balances or cap do not hold, if it holds private fields, or
    if its bytes are not those that the ledger writes of these events.
    """
    if not package.sizes[LEDGER]:
        return None
    try:
        text = package.read(LEDGER, 4 * MAX_TEXT).decode("ascii")
        extract = parse_extract(text.splitlines(), LEDGER)
        found = verify_extract(extract)
    except UnicodeDecodeError:
        raise VerificationError("it is not a ledger extract", where=LEDGER) from None
    except DpsynthError as error:
        raise VerificationError(error.message, where=error.where or LEDGER) from None
    if found.problems:
        raise VerificationError(found.problems[0], where=LEDGER)
    if not extract.public or any(one.private is not None for events in extract.events.values() for one in events):
        raise VerificationError("it holds fields that are private to the publisher", where=LEDGER)
    if len(found.pools) != 1:
        raise VerificationError("it must hold the events of exactly one pool", where=LEDGER)
    # What JSON readers pass over (doubled or further keys, counts, other line ends) is under no hash of the chain.
    if any(f"{line}\n" != read for line, read in zip_longest(written(extract), text.splitlines(keepends=True))):
        raise VerificationError("it is not written as dpsynth writes an extract", where=LEDGER)
    if extract.ephemeral:
        raise VerificationError("it is of a ledger that was kept in memory only", where=LEDGER)
    return Accounts(found.pools[0], tuple(extract.events[found.pools[0].name]))


def check_draws(accounts: Accounts) -> str:
    """In words that every draw of the pool charged what its recorded scales cost; ``VerificationError`` otherwise.

    Cost: one price for each different scale of a draw, and no more than ``_MOST_PRICES`` of them.
    """
    draws = [event for event in accounts.events if event.kind == "DRAW"]
    prices = 0
    for event in draws:
        question = _question(event)
        answers = _answers_of(question)
        prices += len(answers)
        if prices > _MOST_PRICES:
            raise VerificationError("there are more different noise scales than can be priced", where=question.where)
        if loss_from_record(event.data["loss"]) != cost_of(question, answers):
            raise VerificationError("the recorded scales cost another loss than was charged", where=question.where)
        _check_sensitivity(question, accounts.state.unit.rows)
    return f"the loss of every draw, {len(draws)} in all, follows from its recorded scales and sensitivity"


def _question(event: Event) -> Part:
    """What a DRAW event says was asked."""
    where = f"{LEDGER}, event {event.seq}"
    return Part(Part(event.data, where).value.get("question"), where)


def _answers_of(question: Part) -> Counter[str]:
    """How many answers a recorded question has at each scale, as the ledger writes it; ``VerificationError`` for a
    question that is not known here.
    """
    kind = question.text("question")
    if kind == "measure":
        scales = question.list("scales")
        if len(question.list("cliques")) != len(scales) or not scales or not all(type(one) is str for one in scales):
            raise VerificationError("a question is malformed", where=question.where)
        return Counter(scales)
    if kind == "select":
        return Counter({question.text("scale"): 1})
    if kind in _TOGETHER and (columns := question.list("columns")):
        return Counter({question.text("scale"): len(columns)})
    raise VerificationError("a question that this version does not know", where=question.where)


def cost_of(question: Part, answers: Mapping[str, int]) -> PrivacyLoss:
    """What this many answers of a recorded question at each scale cost, in every currency, exactly."""
    prices = [(loss_of(question, exact(text, question.where)), count) for text, count in answers.items()]
    sums = (sum(getattr(loss, currency.name) * count for loss, count in prices) for currency in fields(PrivacyLoss))
    return PrivacyLoss(*sums)


def loss_of(question: Part, scale: Fraction) -> PrivacyLoss:
    """The loss of one answer of a question at this scale, at its sensitivity (and threshold, if it has one);
    ``VerificationError`` if it is not known here.
    """
    law, sensitivity = question.text("law"), question.whole("sensitivity")
    try:
        noise = float(scale)
    except OverflowError:
        noise = math.inf
    if law not in LOSSES or not 1 <= sensitivity <= _LARGEST_SENSITIVITY or noise != scale or noise <= 0:
        raise VerificationError("a law, a sensitivity or a scale is malformed", where=question.where)
    try:
        loss = LOSSES[law](sensitivity, noise)
        if question.text("question") == "categories":
            loss += discovery_delta(sensitivity, noise, question.whole("threshold"))
    except (DpsynthError, ArithmeticError):
        raise VerificationError("a scale has no proved loss", where=question.where) from None
    return loss


def _check_sensitivity(question: Part, rows: int) -> None:
    """``VerificationError`` if noise was drawn for fewer rows than one unit moves."""
    if question.whole("sensitivity") < rows:
        raise VerificationError("the noise was drawn for fewer rows than one unit may have", where=question.where)


def check_answers(accounts: Accounts, report: Part, transaction: str) -> str:
    """In words that the answers of the report are those that the ledger drew: for each that a draw recorded, of its
    law, sensitivity, columns and scale, the report has one. ``VerificationError`` names the first otherwise.
    """
    draws = accounts.draws(transaction)
    questions = {event: _question(drawn) for event, drawn in draws.items()}
    missing = {event: _drawn(question) for event, question in questions.items()}
    answers = report.parts("answers")
    for answer in answers:
        receipt = answer.part("receipt")
        event = draws.get(receipt.text("event"))
        if event is None or receipt.value != receipt_of(event):
            raise VerificationError("its receipt is of no draw in the ledger", where=answer.where)
        key = _answered(answer, questions[event.hash])
        if not missing[event.hash][key]:
            raise VerificationError("the ledger recorded no such answer at this scale", where=answer.where)
        missing[event.hash][key] -= 1
    for digest, event in draws.items():
        if any(missing[digest].values()):
            what = f"its answers do not add up to draw {event.data['draw']} of the ledger"
            raise VerificationError(what, where=report.where)
    return f"the receipts of all answers, {len(answers)}, are of the draws, {len(draws)}, and add up to each of them"


_Answer = tuple[tuple[str, ...] | None, Fraction]
"""The columns of an answer, None where the ledger records none, and its scale."""


def _drawn(question: Part) -> Counter[_Answer]:
    """How often each answer was drawn; discoveries are one answer of several columns."""
    if question.text("question") == "measure":
        scales = {text: exact(text, question.where) for text in _answers_of(question)}
        pairs = zip(question.list("cliques"), question.list("scales"), strict=True)
        return Counter((_names(clique, question.where), scales[text]) for clique, text in pairs)
    columns = question.value.get("columns")
    return Counter([(None if columns is None else _names(columns, question.where), question.number("scale"))])


def _answered(answer: Part, question: Part) -> _Answer:
    """What an answer of the report states, whose law and sensitivity must be what was recorded for it."""
    recorded = {key: question.value.get(key) for key in ("question", "law", "sampler", "sensitivity")}
    if any(answer.value.get(key) not in (None, value) for key, value in recorded.items()):
        raise VerificationError("it differs from the question that the ledger recorded", where=answer.where)
    columns = _names(answer.list("columns"), answer.where)
    named = question.text("question") == "measure" or question.value.get("columns") is not None
    return columns if named else None, answer.number("scale")


def _names(columns: Any, where: str) -> tuple[str, ...]:
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise VerificationError("a list of columns is malformed", where=where)
    return tuple(columns)


def check_guarantee(accounts: Accounts, report: Part, transaction: str) -> str:
    """In words that the stated guarantee is what the reservation proves; ``VerificationError`` otherwise.

    The chain (``read_accounts``) has shown already that draws stay within the reservation and that within the cap.
    """
    stated, where = report.part("guarantee"), f"{report.where}, guarantee"
    reserve, commit = accounts.of(transaction, "RESERVE"), accounts.of(transaction, "COMMIT")
    reservation, governor = loss_from_record(reserve.data["loss"]), accounts.state.governor
    _equal(stated.value.get("reservation"), reserve.data["loss"], "the reservation", where)
    _equal(stated.text("governor"), str(governor), "the accounting", where)
    _equal(stated.text("unit"), reserve.data["unit"], "the unit of privacy", where)
    _equal(report.value.get("spent"), commit.data["drawn"], "what was spent", report.where)
    for event in accounts.draws(transaction).values():
        _check_sensitivity(_question(event), accounts.state.unit.max_rows * stated.whole("stability"))
    epsilon, delta = stated.number("epsilon"), stated.number("delta")
    if proved_epsilon(reservation, delta, governor) > epsilon * _TOLERANCE:
        raise VerificationError("the reservation proves a larger epsilon than is stated", where=where)
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if value != Fraction(_rounded(_reserved(reserve, name))):
            raise VerificationError(f"it is not the {name} that the fit reserved", where=f"{where}, {name}")
    return (
        f"epsilon {stated.text('epsilon')}, delta {stated.text('delta')} is what the reservation proves; "
        "draws are within it, and all reservations within the pool's cap"
    )


def _reserved(reserve: Event, name: str) -> Fraction:
    """The epsilon or delta that a RESERVE event records."""
    try:
        return exact_from_record(reserve.data.get(name))
    except DpsynthError as error:
        raise VerificationError(error.message, where=f"{LEDGER}, event {reserve.seq}, {name}") from None


def proved_epsilon(loss: PrivacyLoss, delta: Fraction, governor: Governor) -> Fraction:
    """The epsilon that a loss proves at this total delta, exact or rounded up at the 12th digit; what discoveries take
    of delta is not left for the conversion. ``VerificationError`` when nothing is left.
    """
    if governor is Governor.PURE:
        return governor.amount(loss)
    convert = epsilon_of_mu2 if governor is Governor.GDP else epsilon_of_rho
    try:
        return Fraction(convert(governor.amount(loss), delta - loss.delta_exact))
    except DpsynthError:
        raise VerificationError("no guarantee follows from this loss and delta") from None


def check_pool(accounts: Accounts, report: Part, described: Part) -> str:
    """In words that report and description speak of the pool of the ledger, and what its cap does not cover;
    ``VerificationError`` otherwise.
    """
    pool, state, where = report.part("pool"), accounts.state, f"{report.where}, pool"
    _equal(pool.text("digest"), accounts.digest, "the pool", where)
    _equal(described.part("dpsynth").value.get("pool"), accounts.digest, "the pool", described.where)
    cap = pool.part("cap")
    if (cap.number("epsilon"), cap.number("delta")) != (state.epsilon, state.delta):
        raise VerificationError("it states another cap than the ledger", where=where)
    _equal(pool.text("governor"), str(state.governor), "the accounting", where)
    _equal(pool.truth("raised_after_outputs"), state.raised_late, "whether the cap was raised late", where)
    _equal(pool.whole("disclosures"), state.disclosures, "the number of disclosures", where)
    words = (
        f"the cap of the pool is epsilon {_rounded(state.epsilon):g}, and {len(accounts.events)} events stay within it"
    )
    return "; ".join([words, *beyond_cap(late=state.raised_late, disclosures=state.disclosures)])


def check_release(accounts: Accounts, content: str, *, override: bool) -> str:
    """In words that the ledger recorded the release of this content; ``VerificationError`` otherwise, and for a content
    whose last word in the ledger is that it was withdrawn: after that it may have been released again.
    """
    events = [Part(one.data, f"{LEDGER}, event {one.seq}").value for one in accounts.events if one.kind == "RELEASE"]
    standing: bool | None = None
    for one in events:
        if one.get("content") == content and one.get("override") is override:
            standing = True
        if one.get("withdraws") == content and standing:
            standing = False
    if standing is None:
        raise VerificationError("no RELEASE event is of this content", where=LEDGER)
    if not standing:
        raise VerificationError("a RELEASE event says that this release was withdrawn", where=LEDGER)
    return f"the ledger recorded the release of this content, {content[:16]}"


def _equal(stated: Any, recorded: Any, what: str, where: str) -> None:
    if stated != recorded:
        raise VerificationError(f"{what} is stated otherwise than the ledger recorded", where=where)


def _rounded(value: Fraction) -> Decimal:
    return _STATED.divide(Decimal(value.numerator), Decimal(value.denominator))
