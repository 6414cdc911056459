"""The parts of an internal report: the decision first, then what the real rows say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dpsynth.evidence import INTERNAL_WATERMARK
from dpsynth.report.audit_drawings import heat_svg
from dpsynth.report.audit_facts import AuditFacts, Risk
from dpsynth.report.audit_section import audit_section
from dpsynth.report.count_drawings import Counts, counts_svg
from dpsynth.report.document import Block, Box, Bullets, Document, Drawing, Paragraph, Section, Table
from dpsynth.report.drawing import short
from dpsynth.report.internal import InternalReport, Moment, Utility
from dpsynth.report.reference import AUDIT_GLOSSARY, GLOSSARY
from dpsynth.report.sections import (
    ROWS,
    Facts,
    budget,
    closing,
    largest,
    not_protected,
    preprocessing,
    public_box,
    released_utility,
    title_of,
)

WORST = 20
COMPARED = 12
BLOCKERS = 4


def internal_document(report: InternalReport) -> Document:
    """The internal edition as blocks."""
    public = report.public.to_dict()
    return Document(
        title=title_of(public),
        edition="internal",
        watermark=f"{INTERNAL_WATERMARK}.",
        box=_box(report, public),
        sections=(
            not_protected(public),
            budget(public),
            Section("Who, when and why", (_history(report),), "internal"),
            preprocessing(public),
            *((_utility(report.utility),) if report.utility else (_no_utility(),)),
            released_utility(public),
            audit_section(report.audit),
            _anonymity(report.audit, public),
            _signing(),
            *closing(public, (*GLOSSARY, *AUDIT_GLOSSARY)),
        ),
    )


def _box(report: InternalReport, public: Facts) -> Box:
    decision, plain = report.decision, public_box(public)
    fitted = next((one for one in report.history if one.mine and one.actor), None)
    left = [one for one in report.history if one.kind == "RELEASE" and one.time]
    digests = tuple((f"SHA-256 of the {name}", digest) for name, digest in report.digests.items() if digest)
    return replace(
        plain,
        headline="May be released" if decision.allowed else "Must not be released",
        tone="allowed" if decision.allowed else "refused",
        reasons=(*plain.reasons, f"{'Allowed' if decision.allowed else 'Refused'}: {'; '.join(decision.gates)}."),
        sentences=(*_blockers(report.audit), *plain.sentences, *_nearness(report.utility)),
        facts=(
            *plain.facts,
            *((("Fitted by", f"{fitted.actor} on {fitted.host}, {fitted.time}"),) if fitted else ()),
            *((("Releases of the pool", f"{len(left):,}, the last {_handed(left[-1])}"),) if left else ()),
            *digests,
        ),
    )


def _blockers(audit: AuditFacts | None) -> tuple[str, ...]:
    """What keeps the gate closed, in the words of the audit: the first rule and the first risk of each kind."""
    if audit is None or audit.verdict == "PASS":
        return ()
    rules = {one.rule: f"{one.rule}: {one.words}" for one in reversed(audit.rules) if one.verdict != "PASS"}
    closing_ = [one for one in audit.risks if one.verdict == "FAIL" or (one.demanded and one.verdict != "PASS")]
    risks = {one.risk: f"{one.risk}: {one.words}" for one in reversed(closing_)}
    found = [short(text, 240) for text in (*rules.values(), *risks.values())][:BLOCKERS]
    todo = "What would open it stands with each figure below; another table of the same model is another candidate."
    return (*found, todo)


def _nearness(utility: Utility | None) -> tuple[str, ...]:
    """In one line how near the table lies to the real rows."""
    if utility is None or not utility.pairs:
        return ()
    far = {figure.name: figure.value for figure in utility.ways}
    lost = max(utility.pairs, key=lambda pair: abs(pair.second - pair.first))
    named = " and ".join(short(name, 40) for name in lost.columns)
    distances = "; ".join(f"{name} {value:.3f}" for name, value in far.items() if name.startswith("mean"))
    changed = f"{named}, from {lost.first:.2f} to {lost.second:.2f} (Cramér's V)"
    return (f"Usefulness: {distances} (0 is equal). The association that changed most: {changed}.",)


def _handed(one: Moment) -> str:
    whom = f" to {one.recipient}" if one.recipient else ""
    why = f", under override: {short(one.reason, 80)}" if one.reason else ""
    return f"{one.time}{whom}{why}"


def _history(report: InternalReport) -> Table:
    rows = tuple(
        (
            one.kind,
            one.time or "",
            one.actor or "",
            one.host or "",
            short(one.purpose or one.reason or "", 80),
            short(one.recipient or "", 80),
        )
        for one in report.history[-ROWS:]
    )
    header = ("event", "time (UTC)", "actor", "host", "purpose or reason", "recipient")
    return Table("Who, when and why", header, rows, folded=True)


def _no_utility() -> Section:
    said = "No real table was given to this report: how far the synthetic one lies from it was not measured."
    return Section("Utility: real against synthetic rows", (Paragraph(said),), "internal")


def _utility(utility: Utility) -> Section:
    ways = tuple((figure.name, f"{figure.value:.4f}") for figure in utility.ways)
    columns = sorted(utility.columns, key=lambda figure: -figure.value)
    rows = tuple((short(figure.name, 80), f"{figure.value:.4f}") for figure in columns)
    blocks: list[Block] = [
        Paragraph("Distances between the real rows and the synthetic ones: 0 is equal, 1 has nothing in common."),
        Table("Marginals", ("figure", "distance"), ways, frozenset({1})),
        Table("Columns, worst first", ("figure", "distance"), rows, frozenset({1}), folded=len(rows) > WORST),
    ]
    if utility.pairs:
        blocks += [_heat(utility), _worst_cells(utility)]
    worst = [figure.name for figure in columns if figure.name in utility.counts][:COMPARED]
    blocks += [_compared(utility, name) for name in worst]
    blocks += [Bullets(utility.notes)] if utility.notes else []
    return Section("Utility: real against synthetic rows", tuple(blocks), "internal")


def _compared(utility: Utility, name: str) -> Drawing:
    """One column in both tables, in percent of their rows; its largest cells when there are many."""
    real, made = (_percent(counts) for counts in utility.counts[name])
    labels, places = utility.labels[name], largest(real)
    drawn = [real[place] for place in places]
    counts = Counts([labels[place] for place in places], drawn, drawn, drawn, [made[place] for place in places])
    rows = tuple((short(labels[place], 40), f"{real[place]:.2f}", f"{made[place]:.2f}") for place in places)
    only = "" if len(places) == len(real) else f" The {len(places)} largest of {len(real):,} cells."
    title = f"{short(name, 60)}: real and synthetic"
    table = Table(f"Percent of rows, {title}", ("value", "real", "synthetic"), rows, frozenset({1, 2}), folded=True)
    return Drawing(title, counts_svg(title, counts), f"Percent of rows. Bar: synthetic; tick: real.{only}", table)


def _percent(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [100 * count / total if total else 0.0 for count in counts]


def _heat(utility: Utility) -> Drawing:
    gaps = {pair.columns: abs(pair.second - pair.first) for pair in utility.pairs}
    ranked = sorted(utility.pairs, key=lambda pair: -gaps[pair.columns])
    rows = tuple(
        (
            short(pair.columns[0], 40),
            short(pair.columns[1], 40),
            f"{pair.first:.3f}",
            f"{pair.second:.3f}",
            f"{gaps[pair.columns]:.3f}",
        )
        for pair in ranked
    )
    header = ("column", "column", "real", "synthetic", "difference")
    table = Table("Associations, worst first", header, rows, frozenset({2, 3, 4}), folded=True)
    says = "Difference of Cramér's V of every pair; the darker, the larger: the full shade is 0.45 and more."
    return Drawing("Association differences", heat_svg("Association differences", utility.names, gaps), says, table)


def _worst_cells(utility: Utility) -> Table:
    ranked = sorted(utility.pairs, key=lambda pair: -abs(pair.worst.second - pair.worst.first))[:WORST]
    rows = tuple(
        (
            " × ".join(short(name, 30) for name in pair.columns),
            " × ".join(short(label, 30) for label in utility.cell(pair)),
            f"{pair.worst.first:.4f}",
            f"{pair.worst.second:.4f}",
        )
        for pair in ranked
    )
    return Table("Worst cells of pairs", ("columns", "cell", "real share", "synthetic share"), rows, frozenset({2, 3}))


def _anonymity(audit: AuditFacts | None, public: Facts) -> Section:
    labels = public["preprocessing"]
    steps = tuple(short(label, 200) for label in labels if label.startswith(("STABLE", "NON-DP")))
    blocks: list[Block] = [
        Bullets(steps) if steps else Paragraph("No class was suppressed or generalized before the fit.")
    ]
    return Section("k-anonymity and suppression", (*blocks, _classes(audit)), "internal")


def _signing() -> Section:
    line = "\u00a0" * 60
    rows = tuple((what, line) for what in ("decision", "recipient and license", "name", "date", "signature"))
    return Section("Sign-off", (Table("For whoever decides", ("item", "to be filled in"), rows),), "internal")


_CLASSES = (("classes", "classes"), ("smallest", "rows of the smallest class"), ("alone", "rows alone in their class"))


def _classes(audit: AuditFacts | None) -> Block:
    """What the audit found of the classes of equal quasi-identifiers: counted, attacked, ruled on, or none of these."""
    if audit is None:
        return Paragraph("The release was not audited: the classes of its table were not counted.")
    found = [one for one in (*audit.risks, *audit.reported) if one.risk == "equivalence classes"]
    rows = [
        (said, short(one.group, 80), f"{one.facts[name]:,.0f}")
        for one in found
        for name, said in _CLASSES
        if name in one.facts
    ]
    rows += [(f"{one.attack}: {one.measure}", short(one.group, 80), _judged(one)) for one in found]
    rows += [(one.rule, one.verdict, one.words) for one in audit.rules if one.rule == "smallest-class"]
    if not rows:
        return Paragraph(f"The gate {short(audit.gate, 80)} asks nothing of classes, and no attack looked at them.")
    return Table("Classes of equal quasi-identifiers in the released table", ("what", "on", "value"), tuple(rows))


def _judged(risk: Risk) -> str:
    said = f"{risk.value:.3g}, at most {risk.high:.3g}"
    return said if risk.threshold is None else f"{said}; accepted is {risk.threshold:g}: {risk.verdict}"
