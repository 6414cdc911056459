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
delta = setting(
    "delta",
    metavar="D",
    type=DELTA,
    default="1e-9",
    show_default=True,
    help="The guarantee's delta; 0 for pure epsilon, with a pool and a method that work without a delta.",
)
governor = click.option(
    "--governor",
    type=click.Choice(["gdp", "zcdp"]),
    help="How a pool with a delta adds up losses: GDP (mu²), or zCDP (rho). Default: gdp. A pool without a delta is "
    "governed by pure epsilon.",
)
method = setting(
    "method",
    type=click.Choice(["auto", "aim", "mst", "direct", "independent"]),
    default="auto",
    show_default=True,
    help="auto goes the way that suits the columns and the workload; aim chooses sets of columns one by one; mst keeps "
    "the strongest pairs together; direct measures the sets of the workload as they are; independent keeps each "
    "column alone.",
)
workload = setting(
    "workload",
    metavar="all-2way|all-3way|target:COL|FILE",
    help="Which marginals matter: all pairs, all triples, those with one column to be predicted, or a YAML or JSON "
    "file that lists sets of columns, each with a weight if you like. Default: all-3way; direct: all-2way.",
)
effort = setting(
    "effort",
    type=click.Choice(["fast", "default", "max"]),
    help="How long auto and direct work on a model: a mixture takes about 5, 20 or 100 CPU seconds for 15 columns of "
    "40 values, a junction tree has at most 8, 80 or 400 MB.",
)
max_model_size = setting(
    "max-model-size",
    metavar="SIZE",
    type=MEMORY,
    help="The largest junction tree that aim, auto and direct may build. Default: that of the effort; aim: 80MB.",
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


def method_settings(method: str, *, workload: str | None, **wishes: Any) -> dict[str, Any]:
    """The settings of a method that options stand for; ``UsageError`` for one that the method does not have."""
    from dpsynth.synthesizers.registry import settings_of

    given = {name: value for name, value in {"workload": workload, **wishes}.items() if value is not None}
    for name in given:
        if name not in settings_of(method):
            words = name.replace("_", " ")
            raise UsageError(
                f"--method {method} has no {words}",
                where=f"--{name.replace('_', '-')}",
                hint="Leave it out, or use --method auto.",
            )
    if workload is not None:
        from dpsynth.pipeline.workload import workload_of

        given["workload"] = workload_of(workload)
    return given


def output(help_text: str, *, required: bool = True) -> Callable[[Function], Function]:
    """``-o/--output`` with the given help."""
    return click.option(
        "-o", "--output", "target", metavar="FILE", required=required, type=click.Path(), help=help_text
    )
