"""The name and version of this program, as events, reports and packages state it."""

from __future__ import annotations

from functools import cache


@cache
def software() -> str:
    """``dpsynth 1.2.3``; the name alone where the package is not installed. Looked up once: it reads files."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"dpsynth {version('dpsynth')}"
    except PackageNotFoundError:
        return "dpsynth"
