"""``dpsynth report``: what an officer signs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.settings import setting
from dpsynth.errors import UsageError

if TYPE_CHECKING:
    from dpsynth.report.report import Report

_ENDS = {".html": "html", ".htm": "html", ".json": "json", ".md": "md", ".yaml": "registry", ".pdf": "pdf"}


@command(
    "report",
    "dpsynth report model.dps --synthetic synthetic.csv --audit audit.json -o report.html",
    "dpsynth report model.dps --synthetic synthetic.csv --audit audit.json --real adult.csv.gz -o internal.html",
    "dpsynth report model.dps --synthetic synthetic.csv --edition public -o report.html",
    "dpsynth report model.dps --edition public --format registry -o entry.yaml",
)
@click.argument("model", type=click.Path())
@click.option("--synthetic", metavar="FILE", type=click.Path(), help="The table that was drawn from the model.")
@click.option("--audit", metavar="FILE", type=click.Path(), help="What 'audit release' wrote on model and table.")
@click.option("--real", metavar="FILE", type=click.Path(), help="The real table, to compare with; internal edition.")
@setting("schema", "-s", metavar="FILE", type=click.Path(), help="The schema of the real table. Default: the model's.")
@options.ledger
@click.option(
    "--edition",
    type=click.Choice(["internal", "public"]),
    default="internal",
    show_default=True,
    help="internal: with the audit and comparisons with real rows, watermarked; public: released figures alone.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "md", "registry", "pdf"]),
    help="Default: by the ending of the output (.html, .json, .md, .yaml, .pdf).",
)
@options.delimiter
@options.output("The report to write.")
@options.force
def report(output: Output, *, target: str, form: str | None, force: bool, edition: str, **wishes: Any) -> Answer:
    """Report on MODEL: may its table be released, what does it cost, what is protected and what is not.

    The internal edition holds figures of real rows and is for its owner alone. The public edition holds released
    figures only: noisy counts with intervals against the synthetic ones, the budget, the steps and the limits.
    A registry entry is always public.
    """
    from dpsynth.pipeline.report import report as made_of
    from dpsynth.tables import check_output

    output.keep_stdout_for(target)
    wanted = form or _form(target)
    if wanted == "registry":
        edition = "public"
    if wanted == "pdf" and target == "-":
        raise UsageError("a PDF goes to a file", where="--output")
    if target != "-":
        check_output(target, force=force)
    made = made_of(wishes.pop("model"), edition="public" if edition == "public" else "internal", **wishes)
    content = _content(made, wanted)
    if target == "-":
        return Answer({}, content.decode().rstrip("\n"), verbatim=True)
    _write(target, content, force=force, internal=edition == "internal")
    return Answer(
        {"edition": edition, "format": wanted, "output": target, "report": made.to_dict()}, f"Wrote {target}."
    )


def _form(target: str) -> str:
    found = next((form for end, form in _ENDS.items() if target.lower().endswith(end)), None)
    if found is None:
        raise UsageError("the ending of the output says no format", where="--output", hint="Add --format html.")
    return found


def _content(made: Report, form: str) -> bytes:
    if form == "pdf":
        return made.to_pdf()
    if form == "json":
        return (json.dumps(made.to_dict(), indent=1) + "\n").encode()
    text = {"html": made.to_html, "md": made.to_markdown, "registry": made.to_registry}[form]()
    return text.encode(errors="backslashreplace")


def _write(target: str, content: bytes, *, force: bool, internal: bool) -> None:
    from dpsynth.tables import atomic_write

    with atomic_write(target, force=force) as part:
        if internal:
            part.chmod(0o600)
        part.write_bytes(content)


COMMAND = report
