"""``dpsynth``: the root of the command line, and the one place where errors become exit codes."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from dpsynth import __version__
from dpsynth.cli.failures import fail
from dpsynth.cli.lazy import Entry, LazyGroup, command_path

SUMMARY = """Differentially private synthetic tables, with a budget ledger that refuses to overspend.

The way of the data: schema init, edit, schema check, plan, fit, sample, evaluate. Start with 'dpsynth demo'.

Each setting is looked up as flag, then DPSYNTH_NAME in the environment, then dpsynth.yaml in the working directory,
then the default. Data go to stdout, messages to stderr; every command takes --json.
"""

SCHEMA = {
    "init": Entry("Propose a schema from a table's header and storage types; bounds are left to you.", "schema_init"),
    "confirm": Entry("State that the domain of a field is public knowledge, and why.", "schema_confirm"),
    "check": Entry("Say in plain words whether a fit may use the schema.", "schema_check"),
    "import": Entry("Make a schema from another tool's metadata.", "schema_import"),
    "export": Entry("Write a schema as another tool's metadata.", "schema_export"),
}

LEDGER = {
    "create": Entry("Create the budget of a population.", "ledger_create"),
    "show": Entry("Show what was spent, the cap, and the largest epsilon a next fit may ask.", "ledger_show"),
    "raise": Entry("Raise the cap of a pool; every later total says so.", "ledger_raise"),
    "forfeit": Entry("End the reservation of a fit whose process is gone.", "ledger_forfeit"),
    "verify": Entry("Check the hash chain and the sums of a ledger.", "ledger_verify"),
    "export": Entry("Write the events as JSON lines that verify without the private fields.", "ledger_export"),
    "import": Entry("Read events exported from another ledger.", "ledger_import"),
}

KEY = {
    "create": Entry("Make a key that signs releases.", "key_create"),
    "show": Entry("Print the public half of a key, and its id.", "key_show"),
}

AUDIT = {
    "mechanism": Entry(
        "Audit a method on made-up tables: replays, noise, charges, likelihood ratio.", "audit_mechanism"
    ),
    "release": Entry("Attack a synthetic table with the real rows, and judge it under a gate.", "audit_release"),
}

ENTRIES = {
    "schema": Entry("Write, check, import and export the public description of a table.", entries=SCHEMA),
    "plan": Entry("Show the price of a fit before anything is spent; reads no data.", "plan"),
    "fit": Entry("Fit a private model to a table, paid from the ledger.", "fit"),
    "sample": Entry("Draw synthetic rows from a model; costs no budget.", "sample"),
    "show": Entry("Show what a model file holds and what it guarantees.", "show"),
    "mask": Entry("Hide the cells of identifying columns, as a policy says.", "mask"),
    "anonymize": Entry("Generalize and suppress until a policy's privacy models hold.", "anonymize"),
    "risk": Entry("Say how likely people are found in a table; internal figures.", "risk"),
    "evaluate": Entry("Compare a real table with a synthetic one or a model; internal figures.", "evaluate"),
    "audit": Entry("Test whether the promises hold.", entries=AUDIT),
    "report": Entry("Report on a model and its table: for an officer, or for everybody.", "report"),
    "release": Entry("Sign and pack a synthetic table for a partner; records who got it.", "release"),
    "key": Entry("Make and show the keys that sign releases.", entries=KEY),
    "verify": Entry("Check a received release, offline: signature, rows, ledger, guarantee.", "verify"),
    "estimate": Entry("Build a model from tables noised elsewhere, under their owner's claim.", "estimate"),
    "ledger": Entry("Create, show, verify and move the budget ledger.", entries=LEDGER),
    "run": Entry("Run the stages of a pipeline file; what is unchanged is reused, no fit is paid for twice.", "run"),
    "demo": Entry("Run the whole journey on bundled data, ending in a refused overspend.", "demo"),
    "completion": Entry("Print the script that completes commands in your shell.", "completion"),
}


class Application(LazyGroup):
    """The root group: every error leaves through ``fail``, as one message and one exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 (click's signature)
        **extra: Any,
    ) -> Any:
        """Runs the command; exits with its code, or returns the code when not standalone."""
        arguments = list(sys.argv[1:] if args is None else args)
        code = 0
        try:
            code = super().main(arguments, prog_name or "dpsynth", complete_var, standalone_mode=False, **extra) or 0
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            code = fail(error, command_path(self.entries, arguments), as_json="--json" in arguments)
        if standalone_mode:
            sys.exit(code)
        return code


APPLICATION = click.version_option(__version__, prog_name="dpsynth", message="%(prog)s %(version)s")(
    Application("dpsynth", ENTRIES, SUMMARY, context_settings={"help_option_names": ["-h", "--help"]})
)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the ``dpsynth`` script; never returns."""
    # A stop by the scheduler or a closed terminal cleans up as Ctrl-C does: no half-written file, an ended reservation.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    # A library's warning may quote a cell of the table, and stderr is not a private place.
    warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    APPLICATION.main()
