"""The private keys of a pipeline, tried before anything is made: a budget is not spent on what cannot be signed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dpsynth.cli.passphrases import passphrase_of
from dpsynth.cli.reuse import Decision
from dpsynth.cli.stages import Stage
from dpsynth.errors import DpsynthError


class KeyCheck:
    """Tries the keys of the releases to come, once: before the first stage that makes anything."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._left = tuple(stage for stage in stages if stage.name == "release")

    def before(self, stage: Stage, decision: Decision) -> None:
        """Raise what the first ``release`` from here on would: its key is readable by others, no key, or locked.

        A key that an earlier stage is still to make is left to that. A run that makes nothing needs no passphrase.
        """
        if decision.action == "reuse" or not stage.outputs:
            return
        coming, self._left = [one for one in self._left if one.number >= stage.number], ()
        for release in coming:
            _try(release)


def _try(release: Stage) -> None:
    from dpsynth.release.keys import PrivateKey

    path = str(release.settings["key"])
    if not os.path.lexists(path):
        return
    try:
        PrivateKey.load(path, passphrase_of(path))
    except DpsynthError as error:
        raise type(error)(error.message, where=f"{release.where}: {error.where}", hint=error.hint) from None
