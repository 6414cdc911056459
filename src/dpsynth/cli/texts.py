"""Text files in and out: read with our errors, written whole or not at all."""

from __future__ import annotations


def read_text(path: str) -> str:
    """The UTF-8 text of the file; ``FileFormatError`` says why it cannot be read."""
    from dpsynth.schema.table import read_text as read

    return read(path)


def write_text(path: str, text: str, *, force: bool, internal: bool = False) -> None:
    """Write the file, complete or absent; ``OutputExistsError`` if it exists and ``force`` was not given.

    ``internal``: for its owner alone (mode 0600), from the first byte on.
    """
    from dpsynth.tables import atomic_write

    with atomic_write(path, force=force) as part:
        if internal:
            part.chmod(0o600)
        part.write_text(text, encoding="utf-8")
