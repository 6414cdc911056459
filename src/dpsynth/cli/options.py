"""Options that several commands share, each defined once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from dpsynth.cli.command import Output
from dpsynth.cli.parameters import DELTA, MEMORY, PARENTS, SHARE, STABILITY, THETA, UNIT
from dpsynth.cli.settings import setting
from dpsynth.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

schema = setting(
    "schema", "-s", required=True, metavar="FILE", type=click.Path(), help="The public schema of the table."
)
known_schema = setting(
    "schema",
    "-s",
    metavar="FILE",
    type=click.Path(),
    help="The public schema of the table. Without one its domain is discovered, and paid for from the same budget.",
)
discover_share = setting(
    "discover-share",
    metavar="FRACTION",
    type=SHARE,
    help="Without --schema: the most of the budget that learning the domain may cost, such as 1/5. Default: 1/3.",
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
    type=click.Choice(["auto", "aim", "privbayes", "mst", "direct", "independent"]),
    default="auto",
    show_default=True,
    help="auto goes the way that suits the columns and the workload; aim chooses sets of columns one by one; privbayes "
    "learns a Bayesian network; mst keeps the strongest pairs together; direct measures the sets of the workload as "
    "they are; independent keeps each column alone.",
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
    help="How long auto, direct and estimate work on a model: a mixture takes about 5, 20 or 100 CPU seconds for 15 "
    "columns of 40 values, a junction tree has at most 8, 80 or 400 MB.",
)
max_model_size = setting(
    "max-model-size",
    metavar="SIZE",
    type=MEMORY,
    help="The largest junction tree that aim, auto, direct, privbayes and estimate may build. Default: that of the "
    "effort; aim: 80MB; privbayes: 8MB.",
)
degree = setting(
    "degree", metavar="N", type=PARENTS, help="privbayes: at most so many parents are chosen for a column. Default: 3."
)
theta = setting(
    "theta",
    metavar="T",
    type=THETA,
    help="privbayes: a column and its parents are measured where an average cell holds at least T times the noise. "
    "Default: 1.",
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
max_stability = setting(
    "max-stability",
    metavar="C",
    type=STABILITY,
    default=1,
    show_default=True,
    help="What was done to the table before, such as dropping small classes, may multiply all noise by up to C, at the "
    "same epsilon. Beyond that the table is refused.",
)
holdout = click.option(
    "--holdout",
    metavar="SHARE",
    type=SHARE,
    help="Keep a share of the units, such as 10%, out of the fit by secret coins: the control group of an audit. The "
    "key that tells them again goes to OUTPUT.holdout.json, for you alone.",
)
delimiter = click.option(
    "--delimiter", metavar="CHAR", help="What separates the cells of a CSV. Default: a comma; a tab for .tsv files."
)
policy = click.option(
    "-p",
    "--policy",
    metavar="FILE",
    required=True,
    type=click.Path(),
    help="What the columns are, how they may be coarsened, and which privacy models must hold.",
)
policy_schema = setting(
    "schema",
    "-s",
    metavar="FILE",
    type=click.Path(),
    help="A schema whose roles, masks and hierarchies count where the policy is silent.",
)
table = click.option(
    "--table", metavar="NAME", help="Which of the policy's tables this is. Default: that of the file's name."
)
key_file = click.option(
    "--key-file",
    metavar="FILE",
    type=click.Path(),
    help="The key of pseudonyms: 32 to 64 random bytes as hex or base64. Default: DPSYNTH_MASK_KEY.",
)
others = click.option(
    "--others",
    type=click.Choice(["refuse", "keep", "drop"]),
    default="refuse",
    show_default=True,
    help="What becomes of columns that neither the policy nor the schema names.",
)
print_policy = click.option("--print-policy", is_flag=True, help="Print the policy as it is understood, and stop.")
force = click.option("--force", is_flag=True, help="Overwrite the output if it exists.")


def method_settings(output: Output, method: str, *, workload: str | None, **wishes: Any) -> dict[str, Any]:
    """The settings of a method that options stand for.

    Raises ``UsageError`` for an option of this command that the method does not have. One that comes from the
    environment or dpsynth.yaml is meant for the methods that have it: it is left out, and ``output`` says so.
    """
    from dpsynth.synthesizers.registry import NAMES, settings_of

    given = {name: value for name, value in {"workload": workload, **wishes}.items() if value is not None}
    source = click.get_current_context().get_parameter_source
    for name in [name for name in given if name not in settings_of(method)]:
        option = name.replace("_", "-")
        if source(name) is ParameterSource.COMMANDLINE:
            other = min((known for known in NAMES if name in settings_of(known)), key=lambda known: known != "auto")
            raise UsageError(
                f"--method {method} has no {name.replace('_', ' ')}",
                where=f"--{option}",
                hint=f"Leave it out, or use --method {other}.",
            )
        output.note(f"Note: {option} is set, but --method {method} has none: it is left out.")
        del given[name]
    if "workload" in given:
        from dpsynth.pipeline.workload import workload_of

        given["workload"] = workload_of(given["workload"])
    return given


def output(help_text: str, *, required: bool = True) -> Callable[[Function], Function]:
    """``-o/--output`` with the given help."""
    return click.option(
        "-o", "--output", "target", metavar="FILE", required=required, type=click.Path(), help=help_text
    )
