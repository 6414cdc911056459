"""The passphrase of a private key: from the environment, else asked for on a terminal."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import click

PASSPHRASE = "DPSYNTH_KEY_PASSPHRASE"  # noqa: S105 (the name of a variable)


def passphrase_of(key: str) -> str | None:
    """The passphrase for the key in this file; ``None`` where it needs none, or there is nobody to ask.

    It is asked for once in a process, however many stages of a run sign with the key.
    """
    return os.environ.get(PASSPHRASE) or _asked(os.path.realpath(key))


@cache
def _asked(key: str) -> str | None:
    from dpsynth.release.keys import is_locked

    if not sys.stdin.isatty() or not is_locked(key):
        return None
    given: str = click.prompt(f"Passphrase of {Path(key).name}", hide_input=True, err=True)
    return given
