"""``dpsynth key create``: a key that signs releases."""

from __future__ import annotations

import os

import click

from dpsynth.cli import options
from dpsynth.cli.command import Answer, Output, command
from dpsynth.cli.passphrases import PASSPHRASE


@command("create", "dpsynth key create -o release.key", "dpsynth key create --no-passphrase -o release.key")
@click.option(
    "--no-passphrase",
    is_flag=True,
    help=f"Do not lock the key. Otherwise the passphrase comes from {PASSPHRASE}, or is asked for on a terminal.",
)
@options.output("The private key; the public one goes beside it, with .pub.")
def create(_output: Output, *, target: str, no_passphrase: bool) -> Answer:
    """Make an Ed25519 key: the private half for you alone (mode 0600), the public half for everybody you release to.

    Give the public half to partners by a way that they trust, and tell them its id: no package can vouch for itself.
    """
    from dpsynth.errors import UsageError
    from dpsynth.release.keys import PrivateKey

    if target == "-":
        raise UsageError("a private key goes to a file", where="--output")
    phrase = None if no_passphrase else os.environ.get(PASSPHRASE) or _asked()
    key = PrivateKey.create()
    key.save(target, phrase)
    public = f"{target}.pub"
    locked = "locked by a passphrase" if phrase else "not locked: whoever reads the file can sign"
    text = f"Wrote {target} ({locked}) and {public}.\nId {key.public.id}: partners compare it when they verify."
    return Answer({"private": target, "public": public, "id": key.public.id, "locked": bool(phrase)}, text)


def _asked() -> str | None:
    import sys

    from dpsynth.errors import UsageError

    if not sys.stdin.isatty():
        hint = f"Set {PASSPHRASE}, or say --no-passphrase."
        raise UsageError("there is nobody to ask for a passphrase", hint=hint)
    given: str = click.prompt(
        "Passphrase (empty: none)", default="", hide_input=True, confirmation_prompt=True, err=True
    )
    return given or None


COMMAND = create
