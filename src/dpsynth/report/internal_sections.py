"""The parts of an internal report: the decision first, then what the real rows say."""

from __future__ import annotations

from dataclasses import replace

from dpsynth.evidence import INTERNAL_WATERMARK
from dpsynth.report.audit_drawings import heat_svg
from dpsynth.report.audit_facts import AuditFacts, Risk
from dpsynth.report.audit_section import audit_section
from dpsynth.report.document import Block, Box, Bullets, Document, Drawing, Paragraph, Section, Table
from dpsynth.report.drawing import short
from dpsynth.report.internal import InternalReport, Utility
from dpsynth.report.sections import (
    ROWS,
    Facts,
    budget,
    closing,
    not_protected,
    preprocessing,
    public_box,
    released_utility,
    title_of,
)

WORST = 20


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
            replace(budget(public), blocks=(*budget(public).blocks, _history(report))),
            preprocessing(public),
            *((_utility(report.utility),) if report.utility else (_no_utility(),)),
            released_utility(public),
            audit_section(report.audit),
            _anonymity(report.audit, public),
            *closing(public),
        ),
    )


def _box(report: InternalReport, public: Facts) -> Box:
    decision, plain = report.decision, public_box(public)
    last = next((moment for moment in report.history if moment.actor), None)
    who = () if last is None else (("Pool created by", f"{last.actor} on {last.host}, {last.time}"),)
    digests = tuple((f"SHA-256 of the {name}", digest) for name, digest in report.digests.items() if digest)
    return replace(
        plain,
        headline="May be released" if decision.allowed else "Must not be released",
        tone="allowed" if decision.allowed else "refused",
        reasons=(*plain.reasons, f"{'Allowed' if decision.allowed else 'Refused'}: {'; '.join(decision.gates)}."),
        facts=(*plain.facts, *who, *digests),
    )


def _history(report: InternalReport) -> Table:
    rows = tuple(
        (one.kind, one.time or "", one.actor or "", one.host or "", short(one.purpose or "", 80))
        for one in report.history[-ROWS:]
    )
    return Table("Who, when and why", ("event", "time (UTC)", "actor", "host", "purpose"), rows, folded=True)


def _no_utility() -> Section:
    said = "No real table was given to this report: how far the synthetic one lies from it was not measured."
    return Section("Utility: real against synthetic rows", (Paragraph(said),))


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
    blocks += [Bullets(utility.notes)] if utility.notes else []
    return Section("Utility: real against synthetic rows", tuple(blocks))


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
    return Section("k-anonymity and suppression", (*blocks, _classes(audit)))


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
