"""Progress is drawn on a terminal and nowhere else."""

import io
import sys

import pytest

from dpsynth.cli.command import Output
from dpsynth.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def draw(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, *, as_json: bool = False, quiet: bool = False) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(Output("fit", as_json=as_json, quiet=quiet)) as report:
        report("measuring marginals", 0.5)
        sys.stderr.write("a note\n")
        report("estimating", 2.0)
    return stream.getvalue()


def test_a_terminal_sees_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw(Terminal(), monkeypatch)
    assert "estimating" in drawn
    assert "100%" in drawn
    assert "a note" in drawn


def test_a_pipe_quiet_and_json_see_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw(io.StringIO(), monkeypatch) == "a note\n"
    assert draw(Terminal(), monkeypatch, quiet=True) == "a note\n"
    assert draw(Terminal(), monkeypatch, as_json=True) == "a note\n"
