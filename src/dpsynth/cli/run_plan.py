"""``dpsynth run --plan``: which stages would run and what their fits would cost; nothing is run, read or spent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.cli.command import Answer, Output
from dpsynth.cli.discovery import discovery_record
from dpsynth.cli.layout import table
from dpsynth.cli.plan import announced, as_result
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.cli.reuse import Course, Decision
from dpsynth.cli.run_fit import placed, wish_of
from dpsynth.cli.run_keys import KeyCheck
from dpsynth.cli.stages import Stage
from dpsynth.errors import BudgetExceededError, GateError

if TYPE_CHECKING:
    from dpsynth.pipeline.run_payment import FitPrice
    from dpsynth.privacy.loss import PrivacyLoss

_WORDS = {"run": "run", "reuse": "reuse", "wait": "run"}


def planned(course: Course, stages: Sequence[Stage], output: Output) -> Answer:
    """What a run would do now, stage by stage, with the price of every fit that it would pay for; exit code 4 when the
    pool of one of them would refuse it, 5 when the run would stop at a gate that is known to be closed.
    """
    rows, records, prices = [], [], []
    held: dict[str, PrivacyLoss] = {}
    keys, stopped = KeyCheck(stages), None
    for stage in stages:
        decision = course.decide(stage)
        keys.before(stage, decision)
        action, why = _WORDS[decision.action], decision.why
        if stopped is not None:
            action, why = "not reached", f"the run stops at stage {stopped.number}"
        rows.append((str(stage.number), stage.name, action, ", ".join(stage.outputs), why))
        record = _record(stage, decision)
        if stopped is not None:
            record["action"] = "not reached"
        elif stage.has("--once") and decision.action != "reuse":
            found = _price(course, stage, output)
            refusal = None if found is None else _refusal(found, held)
            prices.append("\n".join((f"Stage {stage.number}. {_price_words(found)}", *([refusal] if refusal else ()))))
            record["price"] = None if found is None else _price_record(found)
            record["refused"] = found is not None and found.refusal is not None
        records.append(record)
        if stopped is None and decision.action == "reuse" and decision.exit_code:
            stopped = stage
    said = [table(("stage", "command", "", "makes", "why"), rows), *prices]
    if stopped is not None:
        said.append(f"The run would stop at stage {stopped.number}, {stopped.name}: its gate is not open (exit 5).")
    said.append("Nothing was run or spent, and no row was read.")
    refused = any(record.get("refused") for record in records)
    code = BudgetExceededError.exit_code if refused else GateError.exit_code if stopped is not None else 0
    return Answer({"stages": records}, "\n\n".join(said), code)


def _refusal(found: FitPrice, held: dict[str, PrivacyLoss]) -> str | None:
    """Whether the pool would refuse this fit, alone or after those before it, in words; ``held`` adds them up."""
    before = held.get(found.name)
    held[found.name] = found.loss if before is None else before + found.loss
    if found.refusal is not None:
        return f"This stage would be refused (exit 4): {found.refusal.message}. {found.refusal.hint or ''}".rstrip()
    if before is None or not found.crowded(before):
        return None
    words = (
        f"This stage would be refused (exit 4) if the fits before it draw all that they reserve of pool '{found.name}'"
    )
    return (
        f"{words}, whose cap is the budget of the first: create it beforehand." if found.pool is None else f"{words}."
    )


def _record(stage: Stage, decision: Decision) -> dict[str, object]:
    made = {"outputs": list(stage.outputs), "action": decision.action, "why": decision.why}
    return {"stage": stage.number, "name": stage.name, **made}


def _price(course: Course, stage: Stage, output: Output) -> FitPrice | None:
    """The price of a fit; ``None`` while its schema, or the table whose header stands for one, is still to be made."""
    needed = str(stage.settings["data"] if stage.settings["schema"] is None else stage.settings["schema"])
    if not Path(needed).exists() or course.waits_for(needed):
        return None
    from dpsynth.pipeline.run_payment import price_of

    with placed(stage):
        wish = wish_of(stage, output)
        return price_of(wish.wanted, wish.settings)


def _price_words(found: FitPrice | None) -> str:
    if found is None:
        return "What this fit costs is known once the stages before it have run."
    pool = ["Its pool is created with this fit's budget as its cap."] if found.pool is None else pool_words(found.pool)
    return "\n".join((announced(found.priced), *pool))


def _price_record(found: FitPrice) -> dict[str, object]:
    from dpsynth.pipeline.discovery_plan import DiscoveryPlan

    priced = found.priced
    cost = discovery_record(priced) if isinstance(priced, DiscoveryPlan) else as_result(priced)
    return {**cost, "pool": None if found.pool is None else pool_record(found.pool)}
