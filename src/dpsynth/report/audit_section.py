"""What attackers found, as the internal edition shows it: verdicts, risks with bounds and ceilings, curves, gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dpsynth.evidence import Verdict
from dpsynth.report.audit_drawings import CURVES, risks_svg, roc_svg
from dpsynth.report.audit_facts import AuditFacts, Curve, Risk
from dpsynth.report.document import Block, Bullets, Drawing, Paragraph, Section, Table
from dpsynth.report.drawing import short

FALSE_POSITIVES = (0.05, 0.1, 0.2, 0.5)
BARS = 40
UNJUDGED = 20
_BOUNDS = (
    "Bar: one-sided lower to upper bound; short line: the estimate; dotted line: the ceiling, where the axis has it."
)
_CEILING = "Ceiling: the largest lower bound that this sample could have shown."


def audit_section(audit: AuditFacts | None) -> Section:
    """The audit; without one, that there is none."""
    if audit is None:
        said = "Not audited: no attack was made on this table with the real rows, and no gate decided."
        return Section("Privacy audit", (Paragraph(said),))
    candidate = "" if audit.candidate is None else f" Candidate {audit.candidate[0]} of {audit.candidate[1]}."
    blocks: list[Block] = [Paragraph(f"{audit.verdict} under the gate {audit.gate}, {audit.title}.{candidate}")]
    if audit.rules:
        rows = tuple((one.verdict, one.rule, one.words) for one in audit.rules)
        blocks.append(Table("Rules", ("verdict", "rule", "what was found"), rows))
    blocks += _judged(audit.risks)
    blocks += [_roc(audit.curves)] if audit.curves else []
    blocks += _reported(audit)
    if audit.checklist:
        blocks.append(Table("For a person to answer", ("item", "clause"), tuple(one[::-1] for one in audit.checklist)))
    blocks.append(Paragraph("What was not tested, and what this audit cannot say:"))
    blocks.append(Bullets(audit.notes or ("The audit names no limit of its own.",)))
    return Section("Privacy audit", tuple(blocks))


def _judged(risks: Sequence[Risk]) -> list[Block]:
    if not risks:
        return []
    blocks: list[Block] = [_families(risks)]
    if any(one.verdict == Verdict.INCONCLUSIVE.value and not one.demanded for one in risks):
        said = (
            "INCONCLUSIVE says that these rows are too few to tell. Where the gate demands no PASS, such a figure "
            "closes it only by a FAIL: it shows neither that there is a risk nor that there is none."
        )
        blocks.append(Paragraph(said))
    header = ("verdict", "risk", "attack", "records", "measure", "value", "bounds", "accepted", "ceiling")
    table = Table("Risks with their bounds", header, tuple(map(_judged_row, risks)), frozenset({5, 6, 7, 8}))
    only = f" The first {BARS} of {len(risks):,}." if len(risks) > BARS else ""
    says = f"{_BOUNDS} Long line: what is accepted. {_CEILING}{only}"
    blocks.append(Drawing("Risks", risks_svg("Risks with their bounds", risks[:BARS]), says, table))
    words = tuple((one.verdict, one.words) for one in risks if one.verdict != Verdict.PASS.value)
    if words:
        blocks.append(Table("What did not pass, in words", ("verdict", "what was found"), words, folded=True))
    return blocks


def _families(risks: Sequence[Risk]) -> Table:
    """How many figures of each family came out how, and what the gate asks of them."""
    rows = []
    for name, demanded in dict.fromkeys((one.risk, one.demanded) for one in risks):
        count = Counter(one.verdict for one in risks if (one.risk, one.demanded) == (name, demanded))
        asked = "each must PASS" if demanded else "none may FAIL"
        rows.append((name, asked, *(f"{count[verdict.value]:,}" for verdict in Verdict)))
    header = ("risk", "the gate asks", *(verdict.value for verdict in Verdict))
    return Table("Verdicts by risk", header, tuple(rows), frozenset({2, 3, 4}))


def _reported(audit: AuditFacts) -> list[Block]:
    """What was measured and has no threshold in this gate: for a person to judge."""
    blocks: list[Block] = []
    if audit.reported:
        ranked = sorted(audit.reported, key=lambda one: (-one.low, -one.value))
        header = ("risk", "attack", "on", "measure", "value", "bounds", "ceiling")
        rows = tuple(map(_reported_row, ranked))
        table = Table("Measured, without a threshold in this gate", header, rows, frozenset({4, 5, 6}), folded=True)
        only = f" The {UNJUDGED} largest of {len(ranked):,}." if len(ranked) > UNJUDGED else ""
        svg = risks_svg("Measured without a threshold", ranked[:UNJUDGED])
        says = f"{_BOUNDS} {_CEILING} This gate accepts any value of these: a person judges them.{only}"
        blocks.append(Drawing("Measured, without a threshold in this gate", svg, says, table))
    if audit.smoke:
        smoke = tuple((name, f"{value:.4g}") for name, value in audit.smoke)
        caption = "Copies and distances: they find copied rows and are no evidence of privacy"
        blocks.append(Table(caption, ("figure", "value"), smoke, frozenset({1})))
    return blocks


def _judged_row(one: Risk) -> tuple[str, ...]:
    *front, ceiling = _reported_row(one)
    return (one.verdict, *front, "" if one.threshold is None else f"{one.threshold:.3f}", ceiling)


def _reported_row(one: Risk) -> tuple[str, ...]:
    return (
        one.risk,
        short(one.attack, 40),
        short(one.group, 40),
        short(one.measure, 40),
        f"{one.value:.4f}",
        f"{one.low:.3f} to {one.high:.3f}",
        f"{one.ceiling:.3f}",
    )


def _roc(curves: Sequence[Curve]) -> Drawing:
    ranked = sorted(curves, key=lambda one: -one.area)
    rows = tuple(
        (
            short(one.attack, 40),
            short(one.group, 30),
            f"{one.area:.3f}",
            *(f"{one.at(false):.3f}" for false in FALSE_POSITIVES),
        )
        for one in ranked
    )
    header = ("attack", "records", "area", *(f"at {false:g}" for false in FALSE_POSITIVES))
    table = Table("True positives at false positives", header, rows, frozenset(range(2, 3 + len(FALSE_POSITIVES))))
    only = f" The {CURVES} curves of {len(curves):,} with the largest area." if len(curves) > CURVES else ""
    says = f"The diagonal is blind guessing, of area one half. Fewer false positives stand under the risks.{only}"
    return Drawing("ROC", roc_svg("ROC of the membership attacks", ranked[:CURVES]), says, table)
