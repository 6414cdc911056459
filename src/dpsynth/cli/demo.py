"""``dpsynth demo``: the whole journey on bundled data, by the commands that everybody uses."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.nested import line_of, run_command
from dpsynth.errors import OutputExistsError

REFUSED = 4
COLUMNS = ("age", "sex", "race", "education", "marital-status", "native-country", "workclass", "occupation")
BUNDLED = (
    *("adult.csv.gz", "schema.yaml", "README.md", "policy.yaml", "hierarchies/README.md"),
    *(f"hierarchies/{column}.csv" for column in COLUMNS),
)
MADE = ("ledger.db", "model.dps", "synthetic.csv", "synthetic.csv.dpsynth.json", "second.dps")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the journey, why it is there, and the exit code that it must end with."""

    why: str
    words: tuple[str, ...]
    code: int = 0


def journey(folder: Path) -> tuple[Step, ...]:
    """The commands from a schema to a refused overspend, all inside this folder."""
    data, schema, model = (str(folder / name) for name in ("adult.csv.gz", "schema.yaml", "model.dps"))
    synthetic, purse = str(folder / "synthetic.csv"), ("--ledger", str(folder / "ledger.db"))
    price = ("--schema", schema, "--epsilon", "1", "--delta", "1e-9")
    return (
        Step("Does the public description fit the table? Only names and types are read.",
             ("schema", "check", schema, "--data", data)),
        Step("What would a model cost? This reads no data and spends nothing.", ("plan", *price)),
        Step("Buy it: the ledger reserves the budget before the first row is read.",
             ("fit", data, *price, *purse, "--purpose", "demo", "-o", model)),
        Step("Synthetic rows, as many as you like: they cost nothing more.",
             ("sample", model, "-o", synthetic)),
        Step("How close are they? These figures come from the real rows: keep them inside.",
             ("evaluate", data, synthetic, "--schema", schema)),
        Step("What does the model file hold, and what does it guarantee?", ("show", model)),
        Step("Who paid? The ledger keeps the account of the population.", ("ledger", "show", *purse)),
        Step("And once more? The cap is used up, so this fit must be refused with exit code 4.",
             ("fit", data, *price, *purse, "-o", str(folder / "second.dps")), REFUSED),
    )  # fmt: skip


@command("demo", "dpsynth demo", "dpsynth demo --output /tmp/adult", "dpsynth demo --files-only")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FOLDER",
    type=click.Path(),
    default="dpsynth-demo",
    show_default=True,
    help="A new folder for the data, the model, the synthetic table and a ledger of its own.",
)
@click.option("--files-only", is_flag=True, help="Only copy the data, their schema and a policy; run nothing.")
@click.option("--force", is_flag=True, help="Replace the files of an earlier demo in that folder.")
def demo(output: Output, *, target: str, files_only: bool, force: bool) -> Answer:
    """Run the whole journey on UCI Adult: check, plan, fit, sample, evaluate, and an overspend that is refused.

    The data are real census records of 1994 that anybody may use (CC BY 4.0); the README beside them names the source.
    Nothing outside the folder is touched: the demo pays from a ledger of its own.
    """
    folder = Path(target)
    _prepare(folder, force=force)
    output.note(f"UCI Adult (48,842 census records of 1994), its schema, a policy and a README are in {folder}.")
    if files_only:
        return Answer({"folder": target, "steps": []})
    steps = [_run(number, step, output) for number, step in enumerate(journey(folder), 1)]
    output.note(_farewell(folder))
    return Answer({"folder": target, "steps": steps})


def _prepare(folder: Path, *, force: bool) -> None:
    """The folder with the bundled files in it, and none of an earlier demo."""
    from dpsynth.tables import atomic_write

    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not force)):
        raise OutputExistsError(
            "the folder of the demo is not empty", where=str(folder), hint="Use --output for another, or --force."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name.startswith("ledger.db") or old.name in MADE:
            old.unlink()
    (folder / "hierarchies").mkdir(exist_ok=True)
    for name in BUNDLED:
        with atomic_write(folder / name, force=True) as part:
            part.write_bytes(files("dpsynth").joinpath("demo_data", name).read_bytes())


def _run(number: int, step: Step, output: Output) -> dict[str, object]:
    """Runs one command in this process as the shell would; stops the demo when it ends otherwise than told."""
    output.note(f"\n[{number}] {step.why}\n$ {line_of(step.words)}")
    ended = run_command(step.words, output)
    if ended.exit_code != step.code:
        click.echo(ended.said, err=True, nl=False)
        raise click.exceptions.Exit(ended.exit_code or 1)
    return ended.record()


def _farewell(folder: Path) -> str:
    return "\n".join(
        (
            "\nThat refusal is the point: nobody can spend more than the cap, by mistake or on purpose.",
            f"Look at {folder / 'synthetic.csv'}; then try your own table:",
            "  dpsynth schema init people.csv -o schema.yaml    then fill in what it asks for",
            "  dpsynth plan --schema schema.yaml --epsilon 1",
        )
    )


COMMAND = demo
