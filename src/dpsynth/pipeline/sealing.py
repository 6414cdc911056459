"""What a journey may say of a fault after rows were touched: constant words. The causes of others may quote cells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dpsynth.errors import DpsynthError


@contextmanager
def sealed(journey: str) -> Iterator[None]:
    """Let our own errors pass; any other fault of the block becomes a ``DpsynthError`` in constant words, without its
    cause. ``journey``: what fails, such as ``fit``.
    """
    try:
        yield
    except DpsynthError:
        raise
    except MemoryError:
        raise DpsynthError(f"the {journey} ran out of memory; its reservation is forfeited") from None
    except Exception:
        raise DpsynthError(
            f"the {journey} failed after the data was touched; its reservation is forfeited",
            hint="Nothing was released. Details are withheld because they could quote the data.",
        ) from None
