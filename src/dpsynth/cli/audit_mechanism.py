"""``dpsynth audit mechanism``: does a method keep its promise, on made-up tables?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.layout import table
from dpsynth.cli.parameters import EPSILON, SEED, Whole
from dpsynth.cli.progress import progress
from dpsynth.errors import GateError

if TYPE_CHECKING:
    from dpsynth.pipeline.audit_mechanism import MechanismAudit

MOST_TRIALS = 1_000_000


@command(
    "mechanism",
    "dpsynth audit mechanism --method mst -o audit.json",
    "dpsynth audit mechanism --method aim --epsilon 10 --trials 2000 -o audit.json",
    "dpsynth audit mechanism --method independent --delta 0 --json",
)
@options.method
@click.option(
    "--epsilon",
    metavar="E",
    type=EPSILON,
    default="1",
    show_default=True,
    help="The guarantee whose promise is audited. At 10 few trials see most.",
)
@options.delta
@click.option(
    "--trials",
    metavar="N",
    type=Whole(1, MOST_TRIALS),
    default=400,
    show_default=True,
    help="How many fits the likelihood-ratio game plays, about 10 ms each.",
)
@click.option(
    "--seed",
    metavar="K",
    type=SEED,
    default=0,
    show_default=True,
    help="Repeats the audit's own draws; the noise of the room has no seed.",
)
@options.output("Also write the whole audit as JSON to this file.", required=False)
@options.force
def mechanism(
    output: Output, *, method: str, epsilon: Any, delta: Any, trials: int, seed: int, target: str | None, force: bool
) -> Answer:
    """Audit a method on made-up tables: replays on neighbors, the noise and its charges, the exact likelihood ratio.

    Nobody's data are read and no budget is spent, so the result may be published. Exit code 5 if a violation is found.
    """
    from dpsynth.pipeline.audit_mechanism import audit_mechanism
    from dpsynth.tables import atomic_write, check_output

    to_file = target not in (None, "-")
    output.keep_stdout_for(target or "")
    if target is not None and to_file:
        check_output(target, force=force)
    with progress(output) as report:
        audit = audit_mechanism(method, epsilon=epsilon, delta=delta, trials=trials, seed=seed, progress=report)
    result = audit.to_dict()
    if target is not None and to_file:
        with atomic_write(target, force=force) as part:
            part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if target == "-":
        click.echo(json.dumps(result, indent=1))
    if not audit.passed:
        output.note(summary(audit))
        found = ", ".join(tier for tier, passed in audit.verdicts.items() if not passed)
        hint = f"Every figure: {target}" if to_file else "Give -o FILE to see every figure."
        raise GateError(f"{method} does not keep its promise", where=found, hint=hint)
    if target == "-":
        output.note(summary(audit))
        return Answer({})
    return Answer(result, summary(audit))


def summary(audit: MechanismAudit) -> str:
    """The verdict in words, a line for each tier with what it looked at and what it could have seen."""
    game, end, room = audit.ratio.played, audit.black_box, len(audit.room)
    neighbors = sum(one.neighbors for one in audit.replays)
    discovered = sum(one.neighbors for one in audit.discoveries)
    without = f" and {discovered} without a schema" if discovered else ""
    used = max(max(one.used.values()) for one in audit.losses)
    box = end.played
    claimed = "no mu is claimed" if game.claim.mu is None else f"claimed {game.claim.mu:.3f}"
    words = {
        "T0 replay": f"{neighbors} neighbors of {len(audit.replays)} tables{without}: same questions, same model, "
        "inputs within their sensitivity",
        "T1 enumeration": f"{len(audit.losses)} laws and charges: at most {used:.4f} of a charge is used",
        "T1 draws": f"{len(audit.draws)} noises follow their laws; {audit.sharp} of them would show a scale 10 % off "
        "with probability 0.99",
        "T1 room": f"{room} questions cost, record and draw what was asked",
        "T2 likelihood ratio": f"mu at least {game.mu_lower:.3f} ({claimed}; {game.trials} fits, could show up to "
        f"{game.mu_ceiling:.2f}); {game.correct / game.trials:.1%} of these guessed right, "
        f"{game.claim.most_accurate:.1%} allowed in the long run",
        "T3 end to end": f"CSV to CSV, from the synthetic table alone: {box.correct / box.trials:.1%} of {box.trials} "
        f"guessed right, {box.claim.most_accurate:.1%} allowed in the long run: epsilon at least "
        f"{end.epsilon_lower:.2f} (could show up to {end.epsilon_ceiling:.2f})",
    }
    rows = [(tier, "PASS" if passed else "FAIL", words[tier]) for tier, passed in audit.verdicts.items()]
    verdict = "PASS: no violation was found." if audit.passed else "FAIL: the promise is not kept."
    head = f"{audit.method} at epsilon {float(audit.epsilon):g}, delta {float(audit.delta):g} ({audit.governor.value})"
    said = "Not found is not proved: what could have been seen stands beside each tier. The proofs are the guarantee."
    return "\n".join([head, table(("tier", "verdict", "what"), rows), "", verdict, said])


COMMAND = mechanism
