"""The parts of a public report, from the content of report.json alone: whoever has it can draw the page again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from dpsynth.privacy.governor import Governor
from dpsynth.privacy.receipt import loss_from_record
from dpsynth.report.count_drawings import Counts, counts_svg
from dpsynth.report.document import Block, Box, Bullets, Document, Drawing, Listed, Paragraph, Section, Table, Tile
from dpsynth.report.drawing import short
from dpsynth.report.marginals import ReleasedMarginal
from dpsynth.report.meaning import percent_up, right_at_most, whom
from dpsynth.report.pool_drawings import parts_svg, spending_svg
from dpsynth.report.reference import CARD, GLOSSARY, LIMITATIONS, REGULATIONS

Facts = Mapping[str, Any]
"""The content of report.json, or a part of it."""

DRAWN = 30
"""So many columns are drawn, the worst ones first; the others stand in the table."""

CELLS = 60
ROWS = 80
OTHERS = "other fits of the pool"


def public_document(facts: Facts) -> Document:
    """The public edition as blocks; ``facts``: the content of report.json."""
    return Document(
        title=title_of(facts),
        edition="public",
        watermark="",
        box=public_box(facts),
        sections=(
            not_protected(facts),
            budget(facts),
            preprocessing(facts),
            released_utility(facts),
            *closing(facts),
        ),
    )


def title_of(facts: Facts) -> str:
    """The headline of the page."""
    return f"Privacy report: {short(facts['title'], 80)}"


def public_box(facts: Facts) -> Box:
    """What the release guarantees, in numbers and in words; no verdict."""
    headline = "Released with differential privacy" if facts["guarantee"] else "No guarantee of dpsynth"
    reasons = ("Released under override: somebody decided for it, whatever an internal check said.",)
    if facts["claim"] is not None:
        headline = f"Guarantee {facts['dp']}; dpsynth did not check it"
    return Box(
        headline="Released under override" if facts["override"] else headline,
        tone="refused" if facts["override"] else "plain",
        reasons=reasons if facts["override"] else (),
        tiles=tiles(facts),
        sentences=sentences(facts),
        facts=identity(facts),
    )


def tiles(facts: Facts) -> tuple[Tile, ...]:
    """The numbers of the decision box."""
    stated, pool, found = facts["guarantee"], facts["pool"], []
    if stated:
        share = percent_up(right_at_most(Fraction(stated["epsilon"]), Fraction(stated["delta"])))
        found = [
            Tile("ε of this release", str(stated["epsilon"]), "smaller is more private"),
            Tile("δ", str(stated["delta"]), "chance that ε does not hold"),
            Tile("Attacker right at most", share, "a coin: 50 %"),
        ]
    if pool is not None:
        late = "; raised after outputs were seen" if pool["raised_after_outputs"] else ""
        below = f"cap of the pool, δ {pool['cap']['delta']}{late}"
        if pool["disclosures"]:
            found.append(Tile("ε of all releases", "no bound", f"{pool['disclosures']} disclosures without DP"))
        else:
            found.append(Tile("ε of all releases", pool["cap"]["epsilon"], below))
        found.append(Tile("ε charged so far", pool["charged"]["epsilon"], "not a guarantee: the cap is"))
    return tuple(found)


def sentences(facts: Facts) -> tuple[str, ...]:
    """The plain sentences."""
    said, pool = facts["meaning"], facts["pool"]
    found = [said["release"]] if said["release"] else []
    if said["pool"] and said["pool"] != said["release"]:
        found.append(f"From everything this pool may ever release: {said['pool'][0].lower()}{said['pool'][1:]}")
    if facts["guarantee"] and whom(unit_of(facts)) == "row":
        found.append("If a person may have several rows, this is not a guarantee per person.")
    if pool is not None and pool["disclosures"]:
        found.append(
            f"Plus {pool['disclosures']} disclosures without differential privacy: no bound holds for the total."
        )
    return (*found, said["candidates"] or "")


def unit_of(facts: Facts) -> str:
    """``row``, or ``COLUMN:MAX_ROWS``."""
    return str(facts["guarantee"].get("unit", "row"))


def identity(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Unit, neighbors, accounting, date, versions and digests."""
    guarantee, pairs = facts["guarantee"], []
    if guarantee:
        governor = Governor(guarantee["governor"])
        spent = float(governor.amount(loss_from_record(guarantee["reservation"])))
        pairs += [
            ("Unit", f"{_unit(unit_of(facts))}; neighbors: {guarantee['neighbors']}"),
            ("Accounting", f"{governor.words}: {spent:.4g}"),
        ]
    started = reserved_at(facts)
    made = facts["synthetic_rows"]
    rows = "not given to this report" if made is None else f"{made:,}"
    software = ", ".join(f"{name} {version}" for name, version in facts["software"].items())
    count = None if facts["pool"] is None else facts["pool"]["disclosures"]
    disclosed = "" if count is None else f"{count or 'none'} without DP that the ledger knows of"
    return (
        *pairs,
        ("Synthetic rows", rows),
        *((("Fit reserved", started),) if started else ()),
        *((("Disclosures", disclosed),) if disclosed else ()),
        ("Software", software or "not recorded"),
        ("Fit", str(facts["transaction"] or "not recorded")),
    )


def not_protected(facts: Facts) -> Section:
    """What the guarantee does not cover."""
    return Section("What is not protected", (Bullets(tuple(facts["not_protected"])),))


def budget(facts: Facts) -> Section:
    """What was spent, on what, and what is left of the pool."""
    pool = facts["pool"]
    if pool is None:
        return Section("Budget", (Paragraph("No ledger stands behind this model: nothing is known of its pool."),))
    parts, symbol, cap = _parts(pool), pool["currency"], pool["cap_amount"]
    left = cap - sum(amount for _, amount in parts)
    left = left if left > cap * 1e-9 else 0.0
    rows = [(name, f"{amount:.4g}", f"{100 * amount / cap:.1f} %") for name, amount in [*parts, ("left", left)]]
    table = Table("Budget by stage", ("stage", symbol, "of the cap"), tuple(rows), frozenset({1, 2}))
    stated = pool["cap"]
    says = f"The whole bar is the pool's cap: ε {stated['epsilon']}, δ {stated['delta']}, {cap:.4g} {symbol}."
    by_stage = Drawing("Budget of the pool by stage", parts_svg("Budget by stage", parts, cap), says, table)
    return Section("Budget", (by_stage, _spending(pool, [name for name, _ in parts])))


def _parts(pool: Facts) -> list[tuple[str, float]]:
    """What was spent, by stage of this fit, by all others together, and what they may still draw."""
    stages, cap = pool["stages"], pool["cap_amount"]
    others = max(pool["charged_amount"] - sum(stages.values()), 0.0)
    reserved = pool["reserved_amount"]
    parts = [*stages.items(), *(((OTHERS, others),) if others > cap * 1e-9 else ())]
    return [*parts, *((("reserved, not yet drawn", reserved),) if reserved else ())]


def _spending(pool: Facts, names: list[str]) -> Drawing:
    charges: list[tuple[str, float]] = []
    begun = []
    for step in pool["timeline"]:
        if step["event"] == "RESERVE":
            begun.append((len(charges), (step["time"] or "")[:10]))
        if step["grew"] > 0:
            stage = step["stage"] if step["this_fit"] and step["stage"] else OTHERS
            same = charges and charges[-1][0] == stage and not (begun and begun[-1][0] == len(charges))
            before = charges.pop()[1] if same else 0.0
            charges.append((stage, before + step["grew"]))
    shown = list(dict.fromkeys([*names, *(stage for stage, _ in charges)]))
    svg = spending_svg("Spent over time", charges, begun, shown, pool["cap_amount"])
    says = (
        "The sum of all charges after each stage of each fit, in their order, as a share of the cap; shades as above; "
        "days: a fit began."
    )
    return Drawing("Spent over time", svg, says, timeline(pool))


def timeline(pool: Facts) -> Table:
    """The events of the pool in their order."""
    steps = pool["timeline"]
    rows = tuple(
        (step["event"], step["time"] or "not public", step["stage"], f"{step['amount']:.4g}" if step["amount"] else "")
        for step in steps[-ROWS:]
    )
    caption = "Events of the pool" + (f" (the last {ROWS} of {len(steps):,})" if len(steps) > ROWS else "")
    return Table(caption, ("event", "time (UTC)", "stage", pool["currency"]), rows, frozenset({3}), folded=True)


def preprocessing(facts: Facts) -> Section:
    """The label of every step, and the questions that were asked."""
    labels = facts["preprocessing"]
    rows = tuple((kind, short(step, 200)) for kind, _, step in (label.partition(" ") for label in labels))
    answers = facts["answers"]
    asked = tuple(
        (
            one["question"],
            short(", ".join(one["columns"]), 60),
            "" if one["cells"] is None else f"{one['cells']:,}",
            f"{one['law']}, {float.fromhex(one['scale']):.4g}",
            str(one["sensitivity"]),
            f"{one['receipt']['draw']}",
        )
        for one in answers[:ROWS]
    )
    caption = "Questions and their noise" + (f" (the first {ROWS} of {len(answers):,})" if len(answers) > ROWS else "")
    header = ("question", "columns", "cells", "noise (rows)", "sensitivity", "draw")
    blocks: list[Block] = [
        Paragraph("Every step from the raw table to the released one, and what it does to the claim.")
    ]
    blocks.append(Table("Steps", ("label", "step"), rows))
    if asked:
        blocks.append(Table(caption, header, asked, frozenset({2, 4, 5}), folded=True))
    return Section("Preprocessing and questions", tuple(blocks))


def released_utility(facts: Facts) -> Section:
    """Every column against its noisy counts."""
    marginals = [ReleasedMarginal.from_dict(one) for one in facts["marginals"]]
    ranked = sorted(marginals, key=lambda one: -(one.distance or 0.0))
    drawn = ranked[:DRAWN]
    rows = tuple(
        (
            short(one.column, 60),
            f"{len(one.labels):,}",
            "measured" if one.draw is not None else "model",
            "" if one.distance is None else f"{one.distance:.4f}",
            "" if one.noise is None else f"{one.noise:.4f}",
            "" if one.outside is None else f"{one.outside:,}",
        )
        for one in ranked
    )
    says = (
        "Noisy counts of the real table and their 95 % intervals against the counts of the synthetic table. The "
        "intervals are about the rows that entered the fit, each cell for itself: one in twenty may be missed. A "
        "synthetic table of another size than the noisy count lies outside by its size alone. A distance near "
        "that of the noise alone is what the noise explains."
    )
    header = ("column", "cells", "noisy counts", "distance", "noise alone", "cells outside")
    blocks: list[Block] = [Paragraph(says), Table("Columns, worst first", header, rows, frozenset({1, 3, 4, 5}))]
    blocks += [marginal_drawing(one) for one in drawn]
    return Section("Utility: released counts against synthetic counts", tuple(blocks))


def marginal_drawing(one: ReleasedMarginal) -> Drawing:
    """One column: intervals, noisy and synthetic counts; its largest cells when there are many."""
    places = largest(one.noisy)
    made = one.synthetic
    rows = tuple(
        (
            short(one.labels[place], 40),
            f"{one.noisy[place]:,}",
            f"{one.low[place]:,.0f} to {one.high[place]:,.0f}",
            "" if made is None else f"{made[place]:,}",
        )
        for place in places
    )
    counts = Counts(
        labels=[one.labels[place] for place in places],
        noisy=[one.noisy[place] for place in places],
        low=[one.low[place] for place in places],
        high=[one.high[place] for place in places],
        made=None if made is None else [made[place] for place in places],
    )
    only = f" The {CELLS} largest of {len(one.labels):,} cells." if len(one.labels) > CELLS else ""
    header = ("value", "noisy", "95 % interval", "synthetic")
    table = Table(f"Counts of {short(one.column, 60)}", header, rows, frozenset({1, 2, 3}), folded=True)
    return Drawing(
        short(one.column, 60),
        counts_svg(f"Counts of {short(one.column, 60)}", counts),
        f"Rows. Bar: synthetic; line: 95 % interval of the real count; tick: its noisy count.{only}",
        table,
    )


def largest(counts: Sequence[float]) -> list[int]:
    """The places of the largest counts, as many as are drawn, in their order."""
    places = range(len(counts))
    return sorted(sorted(places, key=lambda place: -counts[place])[:CELLS])


def closing(facts: Facts, words: tuple[tuple[str, str], ...] = GLOSSARY) -> tuple[Section, ...]:
    """Limitations, the NIST card, the map of regulations and the glossary."""
    return (
        Section("Limitations", (Bullets(LIMITATIONS),)),
        Section("Disclosure card (after NIST SP 800-226)", (Listed(card(facts)),)),
        Section("Regulations", (Listed(REGULATIONS),)),
        Section("Glossary", (Listed(words),)),
    )


def card(facts: Facts) -> tuple[tuple[str, str], ...]:
    """The fourteen items, filled from the facts; what only the holder can say is left to them in words."""
    stated, pool = facts["guarantee"], facts["pool"]
    if stated:
        variant = (
            f"(ε, δ) = ({stated['epsilon']}, {stated['delta']}), converted from {Governor(stated['governor']).words}"
        )
    else:
        variant = "none that dpsynth vouches for"
    scope = "no pool is known"
    if pool is not None:
        cap, charged = pool["cap"], pool["charged"]
        total = "no bound holds for the pool" if pool["disclosures"] else f"the pool's cap is ε {cap['epsilon']}"
        scope = f"this release as stated; {total}, charged so far {charged['epsilon']}"
    samplers = sorted({str(one["sampler"]) for one in facts["answers"] if one["sampler"]})
    filled = {
        "variant": variant,
        "unit": str(stated.get("protects", "no unit is recorded")),
        "relation": f"{stated.get('neighbors', 'not recorded')}; the number of rows is not public",
        "scope": scope,
        "samplers": ", ".join(samplers) or "none",
        "questions": f"{len(facts['answers']):,} answers of method {facts['method']}, each with its receipt",
        "steps": "; ".join(short(label, 80) for label in facts["preprocessing"]) or "none recorded",
        "software": ", ".join(f"{name} {text}" for name, text in facts["software"].items()),
    }
    return tuple((name, text.format_map(filled)) for name, text in CARD)


def reserved_at(facts: Facts) -> str | None:
    """When the fit was reserved, ISO 8601 in UTC; ``None`` where no ledger paid for it."""
    steps = () if facts["pool"] is None else facts["pool"]["timeline"]
    return next((str(step["time"]) for step in steps if step["this_fit"] and step["event"] == "RESERVE"), None)


def _unit(unit: str) -> str:
    if unit == "row":
        return unit
    column, _, rows = unit.rpartition(":")
    return f"person, by the column {short(column, 60)}, with at most {rows} rows each"
