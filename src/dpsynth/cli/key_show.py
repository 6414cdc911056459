"""``dpsynth key show``: the public half of a key."""

from __future__ import annotations

import click

from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.passphrases import passphrase_of


@command("show", "dpsynth key show release.key", "dpsynth key show release.key.pub --json")
@click.argument("key", type=click.Path())
def show(_output: Output, *, key: str) -> Answer:
    """Print the public half of KEY, private or public, and its id.

    A locked private key is opened by the passphrase in DPSYNTH_KEY_PASSPHRASE, which is asked for on a terminal.
    """
    from dpsynth.errors import FileFormatError
    from dpsynth.release.keys import PrivateKey, PublicKey

    try:
        public = PublicKey.load(key)
    except FileFormatError:
        public = PrivateKey.load(key, passphrase_of(key)).public
    return Answer({"id": public.id, "public_key": public.text}, f"{public.text}\nid {public.id}")


COMMAND = show
