"""Bugs of the zoo are caught by the tiers that must catch them, on a copy of the sources, in a process of their own.

The slow ones are left to ``audits/bug_zoo.py``, whose dated result tells of every bug.

What is caught by draws is missed with the complement of the stated power, far below 1e-6; the other tiers are
deterministic. That the sources as they are pass every tier is told by the tests of the tiers themselves.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace

import bug_zoo
import pytest
from bug_zoo import BUGS, SOURCES, TIERS, apply, caught, checks, page, report_of


@pytest.fixture(scope="module")
def ask():
    with checks() as asked:
        yield asked


SHORT = [bug for bug in BUGS if not bug.slow]


@pytest.mark.parametrize("bug", SHORT, ids=lambda bug: bug.name)
def test_a_bug_is_caught_by_its_tier(bug, ask):
    found = caught(bug, bug.tier, ask)
    assert found
    assert not re.search("(Name|Attribute|Syntax|Import|Unbound)", found), "an edit that does not run proves nothing"


def test_the_zoo_is_large_and_every_tier_has_bugs():
    assert len(BUGS) >= 35
    assert len(SHORT) >= 20
    assert min(Counter(bug.tier for bug in SHORT).values()) >= 4
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert {bug.tier for bug in SHORT} == set(TIERS)


def test_a_change_that_changes_nothing_is_not_caught(ask):
    """The copy, the process and the check: a comment is no bug."""
    edit = replace(BUGS[0].edits[0], file="audit/coded_table.py", old="from __future__", new="\n\nfrom __future__")
    assert caught(replace(BUGS[0], edits=(edit,)), bug_zoo.ENUMERATION, ask) is None


def test_an_edit_that_fits_nowhere_is_refused(tmp_path):
    copy = tmp_path / "dpsynth"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__", "demo_data"))
    edit = replace(BUGS[0].edits[0], old="no such text")
    with pytest.raises(ValueError, match="does not hold the text once"):
        apply(replace(BUGS[0], edits=(edit,)), copy)


def test_a_broken_check_is_not_a_catch(ask):
    edit = replace(BUGS[0].edits[0], file="errors.py", old='"""Every error', new='syntax error """Every error')
    with pytest.raises(RuntimeError, match="T1 enumeration"):
        caught(replace(BUGS[0], edits=(edit,)), bug_zoo.ENUMERATION, ask)


def test_the_page_shows_what_escaped():
    found = {bug.name: {bug.tier: None if bug is BUGS[3] else "seen"} for bug in BUGS}
    report = report_of(found, "command")
    assert report["verdict"] == "FAIL"
    rows = page(report).splitlines()
    assert sum("**ESCAPED**" in row for row in rows) == 1
    assert sum("**caught**" in row for row in rows) == len(BUGS)
