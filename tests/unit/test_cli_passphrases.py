"""The passphrase of a key: the environment first, then whoever sits at the terminal, and once."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from dpsynth.cli import passphrases
from dpsynth.cli.passphrases import PASSPHRASE, passphrase_of
from dpsynth.release.keys import PrivateKey


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked on a terminal whose user answers."""
    found: list[str] = []

    def prompt(text: str, *, hide_input: bool, err: bool) -> str:
        assert hide_input
        assert err
        found.append(text)
        return "open sesame"

    passphrases._asked.cache_clear()
    monkeypatch.delenv(PASSPHRASE, raising=False)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(click, "prompt", prompt)
    return found


def test_whoever_sits_at_the_terminal_is_asked_once(asked: list[str], tmp_path: Path) -> None:
    PrivateKey.create().save(tmp_path / "k", "open sesame")
    for _ in range(2):
        assert passphrase_of(str(tmp_path / "k")) == "open sesame"
    assert asked == ["Passphrase of k"]
    assert PrivateKey.load(tmp_path / "k", passphrase_of(str(tmp_path / "k"))).public


def test_nobody_is_asked_what_is_known_or_not_needed(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PrivateKey.create().save(tmp_path / "open")
    assert passphrase_of(str(tmp_path / "open")) is None
    assert passphrase_of(str(tmp_path / "absent")) is None
    PrivateKey.create().save(tmp_path / "k", "open sesame")
    monkeypatch.setenv(PASSPHRASE, "from outside")
    assert passphrase_of(str(tmp_path / "k")) == "from outside"
    assert asked == []


def test_in_a_pipe_there_is_nobody_to_ask(asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PrivateKey.create().save(tmp_path / "k", "open sesame")
    monkeypatch.setattr(Terminal, "isatty", lambda _: False)
    assert passphrase_of(str(tmp_path / "k")) is None
    assert asked == []
