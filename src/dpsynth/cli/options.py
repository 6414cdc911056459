"""Options that several commands share, each defined once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dpsynth.cli.parameters import DELTA, MEMORY, UNIT
from dpsynth.cli.settings import setting
from dpsynth.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

schema = setting(
    "schema", "-s", required=True, metavar="FILE", type=click.Path(), help="The public schema of the table."
)
ledger = setting(
    "ledger",
    metavar="FILE",
    type=click.Path(),
    help="The ledger file. Default: ~/.local/share/dpsynth/ledger.db.",
)
delta = setting("delta", metavar="D", type=DELTA, default="1e-9", show_default=True, help="The guarantee's delta.")
method = setting(
    "method",
    type=click.Choice(["mst", "auto", "aim", "independent"]),
    default="mst",
    show_default=True,
    help="mst keeps the strongest pairs of columns together; auto keeps as many as the noise allows; aim chooses "
    "sets of columns one by one; independent keeps each column alone.",
)
effort = setting(
    "effort",
    type=click.Choice(["fast", "default", "max"]),
    help="How long --method auto works on a mixture: about 5, 20 or 100 CPU seconds for 15 columns of 40 values. Other "
    "methods have no effort.",
)
unit = setting(
    "unit",
    metavar="row|COL:MAX_ROWS",
    type=UNIT,
    help="Whom the guarantee protects: one row, or one person (identified by COL) with up to MAX_ROWS rows. "
    "Default: the unit of the schema.",
)
memory_limit = setting(
    "memory-limit",
    metavar="SIZE",
    type=MEMORY,
    default="4GB",
    show_default=True,
    help="Refuse a model that would need more; said before anything is spent.",
)
delimiter = click.option(
    "--delimiter", metavar="CHAR", help="What separates the cells of a CSV. Default: a comma; a tab for .tsv files."
)
force = click.option("--force", is_flag=True, help="Overwrite the output if it exists.")


def method_settings(method: str, effort: str | None) -> dict[str, str]:
    """The settings of a method that options stand for; ``UsageError`` for an effort where there is none."""
    if effort is None:
        return {}
    if method != "auto":
        raise UsageError(
            f"--method {method} has no effort", where="--effort", hint="Leave it out, or use --method auto."
        )
    return {"effort": effort}


def output(help_text: str, *, required: bool = True) -> Callable[[Function], Function]:
    """``-o/--output`` with the given help."""
    return click.option(
        "-o", "--output", "target", metavar="FILE", required=required, type=click.Path(), help=help_text
    )
