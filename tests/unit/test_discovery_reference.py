"""docs/reference/discovery.md holds: its lists are complete, its numbers are the program's."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from dpsynth import fit
from dpsynth.discovery import draft, listing, votes
from dpsynth.pipeline.discovery import DEFAULT_DISCOVER_SHARE
from dpsynth.schema.domains import ENUMERATIONS
from dpsynth.schema.kinds import DECIMALS, KINDS, MISSING, MOST_BYTES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "discovery.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())
discover = import_module("dpsynth.discovery.discover")


def test_every_kind_and_every_spelling_of_missing_is_listed() -> None:
    table = PAGE.partition("## Kinds of cells")[2].partition("## ")[0]
    listed = set(re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    assert listed == set(KINDS) - set(DECIMALS[1:-1])
    missing = next(line for line in table.splitlines() if line.startswith("| `missing`"))
    assert set(re.findall(r"`([^`]+)`", missing)) == {"missing", *MISSING}


def test_its_numbers_are_those_of_the_program() -> None:
    for words in (
        f"of at most {MOST_BYTES} bytes",
        f"exceeds {votes.PRESENT:g} standard deviations of the noise and {votes.RARE:.0%} of the column".replace(
            "%", " %"
        ),
        f"make up {votes.MAJORITY * 100:.0f} % of what is not missing",
        f"does not exceed {votes.CERTAIN:g} standard deviations",
        f"suffice for {votes.COVERED * 100:.0f} %",
        f"up to {discover.MOST_BINS} bins",
        f"more than {draft.NOTICEABLE * 100:g} % of its cells",
        f"although {discover.NOTED * 100:g} % would have been",
        f"at least {discover.UNIQUE * 100:.0f} % of the rows, of whole numbers {discover.UNIQUE_NUMBERS * 100:.0f} %",
        f"at most {discover.FEW * 100:.0f} % of the rows",
        f"less than {listing.WORTH * 100:.0f} % of the rows",
        f"| {DEFAULT_DISCOVER_SHARE} |",
    ):
        assert words in FLAT, words


def test_the_default_share_is_told_alike_everywhere() -> None:
    told = f"Default: {DEFAULT_DISCOVER_SHARE}."
    root = Path(__file__).resolve().parents[2]
    assert told in (root / "src" / "dpsynth" / "cli" / "options.py").read_text(encoding="utf-8")
    assert f"(default {DEFAULT_DISCOVER_SHARE})" in (fit.__doc__ or "")


def test_every_reason_of_a_drop_is_listed() -> None:
    source = "".join(Path(str(part.__file__)).read_text(encoding="utf-8") for part in (discover, listing))
    reasons = re.findall(r'(?:without\(|reason = )f?"([^"]+)"', source)
    reasons += re.findall(r'else "([^"]+)"\)', source)
    assert len(reasons) >= 8
    missing = [reason for reason in reasons if re.split(r"[:;]| which", reason)[0] not in PAGE]
    assert not missing


def test_every_public_list_is_named() -> None:
    assert all(f"`{name}`" in PAGE for name in ENUMERATIONS)
