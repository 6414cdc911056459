"""Progress on a terminal: stage names and public work units, never anything about the rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dpsynth.cli.command import Output

Report = Callable[[str, float], None]


@contextmanager
def progress(output: Output, *, over_rows: bool = False) -> Iterator[Report]:
    """A callable ``(stage, fraction)``: draws one bar on stderr if that is a terminal, does nothing in a pipe.

    ``over_rows``: the work grows with the private number of rows, so the bar shows no time left.
    """
    if output.silent or not sys.stderr.isatty():
        yield lambda _stage, _fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    left = () if over_rows else (TimeRemainingColumn(),)
    with Progress(*columns, *left, console=Console(stderr=True), transient=True) as bar:
        work = bar.add_task("checking", total=1.0)

        def report(stage: str, fraction: float) -> None:
            bar.update(work, description=stage, completed=min(max(fraction, 0.0), 1.0))

        yield report
