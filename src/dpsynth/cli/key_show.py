"""``dpsynth key show``: the public half of a key."""

from __future__ import annotations

import os

import click

from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.release import PASSPHRASE


@command("show", "dpsynth key show release.key", "dpsynth key show release.key.pub --json")
@click.argument("key", type=click.Path())
def show(_output: Output, *, key: str) -> Answer:
    """Print the public half of KEY, private or public, and its id.

    A locked private key is opened by the passphrase in DPSYNTH_KEY_PASSPHRASE.
    """
    from dpsynth.errors import FileFormatError
    from dpsynth.release.keys import PrivateKey, PublicKey

    try:
        public = PublicKey.load(key)
    except FileFormatError:
        public = PrivateKey.load(key, os.environ.get(PASSPHRASE)).public
    return Answer({"id": public.id, "public_key": public.text}, f"{public.text}\nid {public.id}")


COMMAND = show
