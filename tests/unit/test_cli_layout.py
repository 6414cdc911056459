"""Names on a terminal: hostile columns, pools and files can neither steer it nor push a table out of sight."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.layout import WIDEST, facts, shown, table
from dpsynth.cli.main import APPLICATION
from dpsynth.ledger import Ledger
from dpsynth.schema import Schema

RTL, ESCAPE = "\u202e", "\x1b]0;title\x07"
LONG = "n" * 500
STEERING = (RTL, "\u2066", "\u2069", "\u200f", "\u061c", "\u2028", "\x1b", "\x07", "\r", "\x9b", "\x00", "\x7f")


def run(*words: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(words))


@pytest.mark.parametrize("mark", STEERING)
def test_what_steers_a_terminal_is_written_out(mark: str) -> None:
    for words in (shown(f"a{mark}b"), table(("x", "y"), [(f"a{mark}b", f"a{mark}b")]), facts([("x", f"a{mark}b")])):
        assert mark not in words
        assert f"a\\u{ord(mark):04x}b" in words


def test_other_words_stay_as_they_are() -> None:
    words = "Größe, 年齢, 👩‍👩‍👧, العمر,\n\ttab"
    assert shown(words) == words


def test_a_cell_is_one_line_and_an_endless_one_is_cut_where_others_follow() -> None:
    lines = table(("a", "b"), [(LONG, LONG), ("two\nlines", "short")]).splitlines()
    assert len(lines) == 3
    assert lines[1] == f"{'n' * (WIDEST - 3)}...  {LONG}"
    assert lines[2].startswith("two\\u000alines")
    assert lines[2].index("short") == WIDEST + 2


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Schema:
    """A schema file, a table and a ledger with hostile names and words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPSYNTH_LEDGER", str(tmp_path / "l.db"))
    names = (f"in{RTL}emoc", LONG, ESCAPE, "=cmd()")
    fields = [
        {"name": name, "type": "string", "constraints": {"enum": ["=a", "b"]}, "dpsynth": {"source": "public"}}
        for name in names
    ]
    schema = Schema.from_dict({"dpsynth": {"version": 1, "name": f"t{RTL}"}, "fields": fields})
    Path("s.yaml").write_text(schema.dump(), encoding="utf-8")
    header = ",".join(f'"{name}"' for name in (*names, f"more{RTL}"))
    Path("t.csv").write_text(f"{header}\nb,b,b,b,b\n", encoding="utf-8")
    Ledger.open().create("p" * 200, epsilon=Fraction(1), delta=Fraction(1, 10**9), purpose=f"why{RTL}{ESCAPE}")
    return schema


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("schema", "check", "s.yaml", "--data", "t.csv"), 0),
        (("plan", "-s", "s.yaml", "--epsilon", "1"), 0),
        (("ledger", "show", "--events", "--releases"), 0),
        (("ledger", "verify"), 0),
        (("ledger", "show", f"no{RTL}"), 2),
        (("schema", "check", f"no{RTL}.yaml"), 3),
        (("plan", "-s", "s.yaml", "--epsilon", "1", "--workload", f"target:no{RTL}"), 2),
    ],
)
def test_no_command_prints_a_name_that_steers(hostile: Schema, words: tuple[str, ...], code: int) -> None:
    found = run(*words)
    assert found.exit_code == code, found.output
    assert not {*STEERING} & {*found.output}
    assert found.output.strip()
    if words[:2] == ("schema", "check") and not code:
        assert "in\\u202eemoc" in found.stdout
        lines = [line for line in found.stdout.splitlines() if "string" in line]
        assert len(lines) == 4
        assert max(map(len, lines)) <= WIDEST + 40


def test_a_document_on_stdout_is_printed_as_it_is(hostile: Schema) -> None:
    draft = run("schema", "init", "t.csv", "-o", "-")
    assert draft.exit_code == 0, draft.output
    names = [one.name for one in Schema.loads(draft.stdout).fields]
    assert names == [*(one.name for one in hostile.fields), f"more{RTL}"]
