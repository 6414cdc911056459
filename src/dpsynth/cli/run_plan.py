"""``dpsynth run --plan``: which stages would run and what their fits would cost; nothing is run, read or spent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output
from dpsynth.cli.discovery import discovery_record
from dpsynth.cli.fit import one_price
from dpsynth.cli.layout import table
from dpsynth.cli.plan import announced, as_result
from dpsynth.cli.pools import pool_record, pool_words
from dpsynth.cli.reuse import Course, Decision
from dpsynth.cli.run_keys import KeyCheck
from dpsynth.cli.stages import Stage
from dpsynth.errors import DpsynthError

if TYPE_CHECKING:
    from dpsynth.pipeline.run_payment import FitPrice

_WORDS = {"run": "run", "reuse": "reuse", "wait": "run"}


def planned(course: Course, stages: Sequence[Stage], output: Output) -> Answer:
    """What a run would do now, stage by stage, with the price of every fit that it would pay for."""
    rows, records, prices = [], [], []
    keys = KeyCheck(stages)
    for stage in stages:
        decision = course.decide(stage)
        keys.before(stage, decision)
        rows.append((str(stage.number), stage.name, _WORDS[decision.action], ", ".join(stage.outputs), decision.why))
        record = _record(stage, decision)
        if stage.has("--once") and decision.action != "reuse":
            found = _price_or_refusal(course, stage, output)
            prices.append(f"Stage {stage.number}. {_price_words(found)}")
            record["price"] = None if found is None else _price_record(found)
        records.append(record)
    said = [table(("stage", "command", "", "makes", "why"), rows), *prices]
    said.append("Nothing was run or spent, and no row was read.")
    return Answer({"stages": records}, "\n\n".join(said))


def _record(stage: Stage, decision: Decision) -> dict[str, object]:
    made = {"outputs": list(stage.outputs), "action": decision.action, "why": decision.why}
    return {"stage": stage.number, "name": stage.name, **made}


def _price_or_refusal(course: Course, stage: Stage, output: Output) -> FitPrice | None:
    """The price of a fit; what refuses it names the stage too."""
    try:
        return _price(course, stage, output)
    except DpsynthError as error:
        place = f"{stage.where}: {error.where}" if error.where else stage.where
        raise type(error)(error.message, where=place, hint=error.hint) from None


def _price(course: Course, stage: Stage, output: Output) -> FitPrice | None:
    """The price of a fit; ``None`` while its schema, or the table whose header stands for one, is still to be made."""
    wanted = dict(stage.settings)
    needed = str(wanted["data"] if wanted["schema"] is None else wanted["schema"])
    if not Path(needed).exists() or course.waits_for(needed):
        return None
    wishes = {name: wanted[name] for name in ("workload", "effort", "max_model_size", "degree", "theta")}
    with stage.context.scope(cleanup=False):
        settings = options.method_settings(output, wanted["method"], **wishes)
        wanted["epsilon"], wanted["share"] = one_price(stage.context, wanted["epsilon"], wanted["share"])
    from dpsynth.pipeline.run_payment import price_of

    return price_of(wanted, settings)


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
