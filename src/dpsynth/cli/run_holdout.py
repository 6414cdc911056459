"""The key of a holdout while a run replaces the model that it belongs to: kept beside the new one, never lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from dpsynth.cli.command import Output
from dpsynth.cli.reuse import Decision
from dpsynth.cli.stages import Stage


@contextmanager
def key_set_aside(stage: Stage, decision: Decision, output: Output) -> Iterator[None]:
    """Makes room for the key of a new fit whose model replaces one of this pipeline; puts it back if none came."""
    from dpsynth.pipeline.holdout import holdout_path

    replaces = stage.name == "fit" and stage.settings.get("holdout") is not None and "--force" in decision.extra
    place = holdout_path(stage.outputs[0]) if replaces else None
    if place is None or not place.exists():
        yield
        return
    numbered = (Path(f"{stage.outputs[0]}.holdout.{number}.json") for number in count(1))
    kept = next(one for one in numbered if not one.exists())
    place.rename(kept)
    try:
        yield
    finally:
        if place.exists():
            output.note(f"The key of the holdout of the model that was replaced is now {kept}.")
        else:
            kept.rename(place)
