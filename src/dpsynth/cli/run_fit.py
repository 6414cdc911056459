"""A fit among the stages of a run: what it asks for, and whether it was paid for, is there, or may be paid for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dpsynth.cli import options
from dpsynth.cli.command import Output
from dpsynth.cli.fit import one_price
from dpsynth.cli.stages import Stage
from dpsynth.errors import DpsynthError

_WISHES = ("workload", "effort", "max_model_size", "degree", "theta")


@dataclass(frozen=True, slots=True)
class FitWish:
    """What a fit asks for, under the names of the command's parameters, and the settings of its method."""

    wanted: dict[str, Any]
    settings: dict[str, Any]


@contextmanager
def placed(stage: Stage) -> Iterator[None]:
    """What is refused within names the stage too."""
    try:
        yield
    except DpsynthError as error:
        place = f"{stage.where}: {error.where}" if error.where else stage.where
        raise type(error)(error.message, where=place, hint=error.hint) from None


def wish_of(stage: Stage, output: Output | None = None) -> FitWish:
    """What a stage that fits asks for; ``output`` is told of settings that its method does not have."""
    wanted = dict(stage.settings)
    wishes = {name: wanted[name] for name in _WISHES}
    with stage.context.scope(cleanup=False):
        said = output or Output(stage.name, as_json=True, quiet=True)
        settings = options.method_settings(said, wanted["method"], **wishes)
        wanted["epsilon"], wanted["share"] = one_price(stage.context, wanted["epsilon"], wanted["share"])
    return FitWish(wanted, settings)


def key_of(stage: Stage, *, data_version: str | None, maker: str | None) -> str:
    """The key that the fit is paid under; what it would refuse in its options or its schema is refused here."""
    from dpsynth.pipeline.run_key import fit_key

    with placed(stage):
        wish = wish_of(stage)
        return fit_key(wish.wanted, wish.settings, data_version=data_version, maker=maker)


@dataclass(frozen=True, slots=True)
class Paid:
    """How a fit stands: the transaction that paid for the model at its place, ``None`` when it is still to be paid for.
    ``waits``: the model is whole and still to be put in its place. ``next_key``: what a next payment goes under.
    """

    transaction: str | None
    waits: bool
    next_key: str


def payment_of(stage: Stage, key: str, earlier: str, again: str, *, repeat: bool, move: bool, owned: bool) -> Paid:
    """How the fit of this key stands in the ledger. ``earlier``: its key in the form of earlier versions. ``again``:
    the words that pay once more; ``repeat``: they were said. ``move``: a model that waits under its temporary name is
    put in its place, over an older model if that is ``owned`` by the pipeline.

    Raises ``BudgetExceededError`` for a fit that was paid for and is lost, that may have been paid for by an earlier
    version, or that would take the place of another paid model.
    """
    from dpsynth.pipeline import run_payment

    ledger, path = stage.settings["ledger"], stage.outputs[0]
    found = run_payment.standing(ledger, key)
    if repeat:
        return Paid(None, waits=False, next_key=found.next_key)
    payment = found.payment or run_payment.standing(ledger, earlier).payment
    if payment is None:
        run_payment.check_unpaid_earlier(wish_of(stage).wanted, again)
        run_payment.check_replaceable(ledger, key, path, again)
        return Paid(None, waits=False, next_key=found.next_key)
    if run_payment.is_model_of(payment, path):
        return Paid(payment.transaction, waits=False, next_key=found.next_key)
    part = run_payment.waiting(payment, path)
    if part is None:
        run_payment.refuse_second(payment, path, again)
    elif move:
        older = run_payment.paid_model(ledger, path)
        run_payment.rescue(part, path, replace=owned and older is not None and older.key is not None)
    return Paid(payment.transaction, waits=not move, next_key=found.next_key)
