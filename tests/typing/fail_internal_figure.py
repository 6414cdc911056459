"""A figure computed from real rows is never a released one."""

from dpsynth.evidence import Color, InternalFigure, ReleasedFigure


def publish(figure: ReleasedFigure) -> str:
    return figure.name


distance: InternalFigure = InternalFigure("mean 2-way TVD", 0.05, "", Color.INTERNAL, "real rows")
publish(distance)  # type: ignore[arg-type]
