"""``dpsynth audit release``: may this table leave?"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.parameters import SEED
from dpsynth.cli.progress import progress
from dpsynth.cli.settings import setting

if TYPE_CHECKING:
    from dpsynth.audit.release_audit import Judged, ReleaseAudit

_WORDS = {
    "PASS": "nothing that this gate looks at speaks against handing the table out",
    "FAIL": "the table must not be handed out under this gate",
    "INCONCLUSIVE": "the gate stays closed: what was looked at does not suffice to say yes",
}


@command(
    "release",
    "dpsynth audit release adult.csv.gz synthetic.csv --model model.dps --holdout model.dps.holdout.json -o audit.json",
    "dpsynth audit release people.csv synthetic.csv --model model.dps --gate wp216 -o audit.json",
    "dpsynth audit release people.csv masked.csv --schema people.yaml --gate ./ours.yaml -o audit.json",
)
@click.argument("real", type=click.Path())
@click.argument("synthetic", type=click.Path())
@click.option("--model", metavar="FILE", type=click.Path(), help="The model (.dps) that the table was drawn from.")
@click.option(
    "--holdout",
    metavar="FILE",
    type=click.Path(),
    help="The key that 'fit --holdout' wrote: who was held out is the control group. Default: MODEL.holdout.json, if "
    "it is there.",
)
@click.option(
    "--gate",
    metavar="NAME|FILE",
    default="default",
    show_default=True,
    help="What must hold: default, cms-cells, ema, hipaa-safe-harbor, iso-27559, nist-800-226, wp216, or your own "
    "gate as YAML.",
)
@setting("schema", "-s", metavar="FILE", type=click.Path(), help="The schema, where no model carries one.")
@options.ledger
@click.option(
    "--seed", metavar="K", type=SEED, default=0, show_default=True, help="Repeats the choices of the attackers."
)
@click.option(
    "--refits",
    metavar="N",
    type=click.IntRange(0, 10**6),
    default=0,
    show_default=True,
    help="Also fit N times for each of three records, with and without it, and guess which: exact for this table and "
    "method. Costs 3 N fits, kept in memory alone.",
)
@click.option("--figures", is_flag=True, help="Also write AUDIT.roc.svg and AUDIT.risks.svg beside the output.")
@options.delimiter
@options.output("The audit to write (JSON).")
@options.force
def release(
    output: Output, *, real: str, synthetic: str, target: str, figures: bool, force: bool, **wishes: Any
) -> Answer:
    """Attack the table SYNTHETIC with the rows of REAL, and judge it under a gate: PASS, FAIL or INCONCLUSIVE.

    Every figure is computed from real rows without differential privacy: the audit is internal and never part of a
    release. Each attempt is recorded in the ledger; the gate fixes in advance how many tables may be tried. Exit code
    5 unless the gate opens.
    """
    from dpsynth.pipeline.audit_release import audit_release
    from dpsynth.tables import check_output

    output.keep_stdout_for(target)
    drawings = [f"{target}.{name}.svg" for name in ("roc", "risks")] if figures and target != "-" else []
    for path in (target, *drawings) if target != "-" else ():
        check_output(path, force=force)
    if wishes["holdout"] is None and wishes["model"] is not None:
        beside = Path(f"{wishes['model']}.holdout.json")
        wishes["holdout"] = str(beside) if beside.is_file() else None
    # How long refits take tells no more than the audit itself, which is internal.
    with progress(output, over_rows=not wishes["refits"]) as report:
        audit = audit_release(real, synthetic, announce=output.note, progress=report, **wishes)
    result = audit.to_dict()
    _write(audit, result, target, drawings, force=force)
    words = summary(audit)
    if target == "-":
        output.note(words)
        return Answer({}, json.dumps(result, indent=1), 0 if audit.passed else 5)
    return Answer(result, f"{words}\nWrote {target}.", 0 if audit.passed else 5)


def _write(audit: ReleaseAudit, result: dict[str, Any], target: str, drawings: list[str], *, force: bool) -> None:
    from dpsynth.audit.drawing import risks_svg, roc_svg
    from dpsynth.cli.texts import write_text

    if target != "-":
        write_text(target, json.dumps(result, indent=1) + "\n", force=force, internal=True)
    for path, draw in zip(drawings, (roc_svg, risks_svg), strict=False):
        write_text(path, draw(audit), force=force, internal=True)


def summary(audit: ReleaseAudit) -> str:
    """The verdict and its reasons in words for who decides, without a number that needs explaining."""
    from dpsynth.evidence import INTERNAL_WATERMARK

    lines = [
        f"{INTERNAL_WATERMARK}.",
        "",
        f"{audit.names['synthetic']} under the gate {audit.gate.name}, {audit.gate.document.title}",
        f"{audit.verdict.value}: {_WORDS[audit.verdict.value]}.",
        "",
        *_wrapped(_promise(audit)),
    ]
    if audit.rulings:
        lines += ["", "Rules"]
        lines += [line for one in audit.rulings for line in _wrapped(f"{one.verdict.value}  {one.rule}: {one.words}.")]
    if audit.findings:
        lines += ["", f"What attackers could do, judged against {_others(audit)} in the data"]
        lines += [line for risk in _risks(audit) for line in _wrapped(risk)]
    if audit.gate.document.checklist:
        lines += ["", "For a person to answer"]
        lines += [line for one in audit.gate.document.checklist for line in _wrapped(f"[ ]  {one.item} ({one.clause})")]
    lines += ["", "What this audit cannot say", *(line for note in audit.notes for line in _wrapped(note))]
    return "\n".join(lines)


def _others(audit: ReleaseAudit) -> str:
    """Those who were held out, by the unit that the fit protects."""
    return "rows that were not" if audit.claim.unit == "row" else "persons who were not"


def _promise(audit: ReleaseAudit) -> str:
    advantage = audit.claim.advantage
    if advantage is None:
        return "The table comes with no promise that dpsynth vouches for."
    right = min(99.9, 50 * (1 + advantage))
    return (
        f"The promise (it {audit.claim.protects}): whoever guesses whether one of them was in the data, whatever else "
        f"they know, is right at most {right:.3g} times in 100; a coin is right 50 times."
    )


def _risks(audit: ReleaseAudit) -> list[str]:
    """One paragraph per risk: its verdict, and the figure that stands worst."""
    return [_risk(risk, [one for one in audit.findings if one.finding.risk == risk]) for risk in _order(audit)]


def _order(audit: ReleaseAudit) -> list[str]:
    return list(dict.fromkeys(one.finding.risk for one in audit.findings))


def _risk(risk: str, found: list[Judged]) -> str:
    from dpsynth.audit.judging import overall
    from dpsynth.evidence import Verdict

    demanded = [one for one in found if one.demand == "pass" or one.finding.verdict is Verdict.FAIL] or found
    verdict = overall([one.finding.verdict for one in demanded])
    worst = max(
        (one.finding for one in demanded if one.finding.verdict is verdict),
        key=lambda one: -one.threshold if one.figure.interval is None else one.figure.interval.high - one.threshold,
    )
    plain = ""
    if worst.figure.name == "advantage" and worst.figure.interval is not None:
        plain = f" Such an attacker is right at most {50 * (1 + worst.figure.interval.high):.3g} times in 100."
    count = f"{len(demanded)} figures" if len(demanded) > 1 else "1 figure"
    return f"{verdict.value}  {risk}: the worst of {count}: {worst.words}{plain} The attacker {worst.threat_model}."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


COMMAND = release
