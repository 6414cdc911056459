"""The rules of the house, held by reading the sources: sizes, birthplaces, public names.

What counts as a line, and why these files are the room, is told in docs/decisions/0002-how-the-room-is-counted.md.
"""

from __future__ import annotations

import ast
import tomllib
from importlib.metadata import version

import pytest

import dpsynth
from reading import ROOT, code_lines, docstring_lines, last, nodes, sources, texts, walked

FILE_LINES = 400
FUNCTION_LINES = 40
ROOM_LINES = 500
QUESTION_LINES = 80
PUBLIC_NAMES = 25
MINIMUM_TESTS = 700
MINIMUM_COLLECTED = 1900

# The privacy core. A file that is missing here but stands in curator/ must appear in one of the next four tables.
ROOM = {
    "curator/curator.py",
    "curator/measure.py",
    "curator/select.py",
    "curator/mechanisms.py",
    "privacy/loss.py",
    "privacy/unit.py",
    "privacy/answers.py",
    "privacy/receipt.py",
    "ledger/machine.py",
}
QUESTIONS = {
    "curator/coarsening.py",
    "curator/categories.py",
    "curator/distinct.py",
    "privacy/discoveries.py",
}
# Stands in for a sampler of OpenDP's: nothing but the law of noise.
SAMPLER, SAMPLER_LINES = "curator/table_sampler.py", 100
# The noise of pools without a delta, and which noise a question gets: beside the core, with limits (decision 0013).
MECHANISMS = {"curator/pure.py": 60, "curator/noise.py": 40}
# What the claim also rests on: each file with a size of its own and the page that proves it.
STABILITY = {
    "curator/bounding.py": (280, "bounding"),
    "curator/reshaping.py": (210, "reshaping"),
    "curator/spill.py": (50, "bounding"),
    "curator/table_bounding.py": (45, "suppression"),
    "anonymization/suppression.py": (40, "suppression"),
    "pipeline/preprocessing.py": (90, "suppression"),
    "curator/masking.py": (150, "masking"),
    "schema/masking_rules.py": (50, "masking"),
    "anonymization/masks/mask.py": (60, "masking"),
    "anonymization/masks/values.py": (75, "masking"),
    "anonymization/masks/numbers.py": (120, "masking"),
    "anonymization/masks/plain.py": (50, "masking"),
    "anonymization/builders.py": (200, "masking"),
    "anonymization/groupings.py": (140, "masking"),
    "anonymization/encoding.py": (240, "masking"),
    "curator/holdout.py": (65, "holdout"),
    "pipeline/holdout.py": (135, "holdout"),
    "anonymization/masks/keys.py": (70, "holdout"),
    "curator/keys.py": (105, "keys"),
    "curator/counting.py": (100, "ingest"),
    "curator/grouping.py": (50, "ingest"),
    "curator/sources.py": (170, "ingest"),
    "tables/csv_lines.py": (120, "ingest"),
    "tables/csv_reader.py": (110, "ingest"),
    "schema/codecs.py": (245, "codecs"),
    "schema/attributes.py": (60, "codecs"),
    "schema/derived.py": (200, "codecs"),
    "schema/parts.py": (160, "codecs"),
    "schema/bins.py": (220, "codecs"),
    "schema/scales.py": (140, "codecs"),
    "schema/cells.py": (145, "codecs"),
    "schema/dates.py": (170, "codecs"),
    "schema/calendars.py": (50, "codecs"),
    "schema/kinds.py": (130, "codecs"),
    "schema/keys.py": (50, "keys"),
    "discovery/questions.py": (70, "codecs"),
    "pipeline/fit.py": (170, "reserve-before-read"),
    "pipeline/ingest.py": (80, "reserve-before-read"),
    "pipeline/reservation.py": (95, "reserve-before-read"),
    "pipeline/prepared.py": (135, "reserve-before-read"),
    "pipeline/table_questions.py": (60, "reserve-before-read"),
    "pipeline/discovery.py": (130, "reserve-before-read"),
    "pipeline/schema_discovery.py": (105, "reserve-before-read"),
}
# Definitions without behavior, and maths that draws nothing and reads nothing.
BESIDE = {
    "curator/__init__.py",
    "privacy/__init__.py",
    "privacy/conversions.py",
    "privacy/governor.py",
    "privacy/labels.py",
    "privacy/laws.py",
    "privacy/normal.py",
    "privacy/queryable.py",
    "privacy/reconciliation.py",
    "privacy/thresholds.py",
}

# The proof page of every file of the room, and of the maths that the room and the ledger call.
PROOF_PAGES = {
    "curator/curator.py": "curator",
    "curator/measure.py": "measure",
    "curator/select.py": "select",
    "curator/mechanisms.py": "mechanisms",
    "curator/pure.py": "mechanisms",
    "curator/noise.py": "mechanisms",
    "curator/coarsening.py": "coarsening",
    "curator/categories.py": "categories",
    "curator/distinct.py": "distinct",
    "privacy/discoveries.py": "categories",
    "privacy/thresholds.py": "categories",
    "curator/table_sampler.py": "table-sampler",
    "privacy/loss.py": "loss",
    "privacy/unit.py": "bounding",
    "privacy/answers.py": "curator",
    "privacy/receipt.py": "ledger",
    "privacy/conversions.py": "conversion",
    "privacy/governor.py": "gdp",
    "privacy/normal.py": "conversion",
    "privacy/laws.py": "gdp",
    "privacy/reconciliation.py": "curator",
    "ledger/machine.py": "ledger",
}

# The audit's answers are about made-up tables it owns (design 3.10).
BIRTHPLACES = {
    "NoisyMarginal": {
        "curator/curator.py",
        "curator/measure.py",
        "privacy/answers.py",
        "audit/recorded.py",
        "audit/recorded_questions.py",
    },
    "Selection": {"curator/curator.py", "curator/select.py", "privacy/answers.py", "audit/recorded.py"},
    "Categories": {"curator/categories.py", "privacy/discoveries.py", "audit/recorded_questions.py"},
    "DistinctCount": {"curator/distinct.py", "privacy/discoveries.py", "audit/recorded_questions.py"},
    "ClaimedMarginal": {"pipeline/marginal_table.py", "models/claims.py"},
    "Receipt": {
        "ledger/transaction.py",
        "ledger/machine.py",
        "privacy/answers.py",
        "privacy/receipt.py",
        "audit/recorded.py",
        "audit/recorded_questions.py",
    },
}
READERS_OF_RECORDS = ("models/", "privacy/", "ledger/")
# --- sizes -----------------------------------------------------------------------------------------------------


def test_no_file_is_too_long() -> None:
    everything = [*texts("src", "tests", "audits", "bench", "examples"), (ROOT / "docs/conf.py", "")]
    long = {
        path.relative_to(ROOT).as_posix(): text.count("\n")
        for path, text in everything
        if path.suffix == ".py" and text.count("\n") > FILE_LINES
    }
    assert not long


def test_no_function_is_too_long() -> None:
    long = []
    for name, node in nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        span = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if len(span - docstring_lines(node)) > FUNCTION_LINES:
            long.append(f"{name}:{node.lineno} {node.name}")
    assert not long


def test_the_room_fits_in_an_hour() -> None:
    sizes = {name: code_lines(text) for name, text in sources().items() if name in ROOM}
    assert {"curator/curator.py", "curator/mechanisms.py", "privacy/loss.py", "ledger/machine.py"} <= sizes.keys()
    assert sum(sizes.values()) <= ROOM_LINES, sizes


def test_every_further_question_is_small() -> None:
    sizes = {name: code_lines(text) for name, text in sources().items() if name in QUESTIONS}
    assert all(size <= QUESTION_LINES for size in sizes.values()), sizes


def test_the_sampler_keeps_its_counted_size() -> None:
    assert code_lines(sources()[SAMPLER]) <= SAMPLER_LINES


def test_further_mechanisms_are_small() -> None:
    sizes = {name: code_lines(sources()[name]) for name in MECHANISMS}
    assert all(size <= MECHANISMS[name] for name, size in sizes.items()), sizes


def test_stability_files_keep_their_counted_size() -> None:
    assert STABILITY.keys() <= sources().keys()
    sizes = {name: code_lines(sources()[name]) for name in STABILITY}
    assert not {name: size for name, size in sizes.items() if size > STABILITY[name][0]}


def test_every_file_of_the_room_is_accounted_for() -> None:
    known = ROOM | QUESTIONS | MECHANISMS.keys() | STABILITY.keys() | BESIDE | {SAMPLER}
    unknown = [name for name in sources() if name.startswith(("curator/", "privacy/")) and name not in known]
    assert not unknown, (
        "a new file in curator/ or privacy/ is room, question, sampler, stability or beside: say which, here"
    )
    assert (ROOM | QUESTIONS | MECHANISMS.keys() | {SAMPLER}) & sources().keys() <= PROOF_PAGES.keys()


def test_every_file_the_claim_rests_on_is_named_by_its_proof_page() -> None:
    pages = PROOF_PAGES | {name: page for name, (_, page) in STABILITY.items()}
    silent = []
    for name, page in pages.items():
        path = ROOT / "docs" / "proofs" / f"{page}.md"
        if name in sources() and not (path.is_file() and name in path.read_text(encoding="utf-8")):
            silent.append(f"{page}.md: {name}")
    assert not silent


def test_code_lines_counts_code_only() -> None:
    text = (
        '"""Doc\nstring."""\n\n# comment\nx = (\n    1,\n)\n\n\ndef f():\n    """Doc."""\n    return """a\n\n    b"""\n'
    )
    assert code_lines(text) == 3 + 1 + 3


# --- birthplaces -----------------------------------------------------------------------------------------------


def births(text: str, kind: str) -> list[int]:
    """The lines on which a ``kind`` is constructed, or renamed on import so that this check would miss it."""
    lines = []
    for node in walked(text):
        if isinstance(node, ast.Call) and last(node.func) == kind:
            lines.append(node.lineno)
        elif isinstance(node, ast.ImportFrom):
            lines += [node.lineno for alias in node.names if alias.name == kind and alias.asname not in {None, kind}]
        elif isinstance(node, ast.Assign) and last(node.value) == kind:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("kind", BIRTHPLACES)
def test_a_released_answer_has_one_birthplace(kind: str) -> None:
    elsewhere = {
        name: births(text, kind)
        for name, text in sources().items()
        if name not in BIRTHPLACES[kind] and births(text, kind)
    }
    assert not elsewhere
    real = [name for name in sources() if births(sources()[name], kind) and not name.startswith("audit/")]
    assert len(real) <= 2


def test_births_sees_every_disguise() -> None:
    text = "from a import Receipt as R\nx = Receipt(1)\ny = answers.Receipt(2)\nB = answers.Receipt\nReceipt.load()\n"
    assert sorted(births(text, "Receipt")) == [1, 2, 3, 4]


def test_records_are_read_back_only_where_files_are_read() -> None:
    callers = {
        name
        for name, node in nodes(ast.Attribute)
        if isinstance(node, ast.Attribute) and node.attr == "from_record" and last(node.value) in BIRTHPLACES
    }
    assert all(name.startswith(READERS_OF_RECORDS) for name in callers), callers


def test_no_released_answer_is_altered_by_replace() -> None:
    fields = {"values", "receipt", "scale", "sensitivity", "index"}
    altered = [
        f"{name}:{node.lineno}"
        for name, node in nodes(ast.Call)
        if isinstance(node, ast.Call)
        and last(node.func) == "replace"
        and fields & {keyword.arg for keyword in node.keywords}
    ]
    assert not altered


# --- the public face -------------------------------------------------------------------------------------------


def test_the_public_names_are_few_and_exist() -> None:
    names = dpsynth.__all__
    assert len(set(names)) == len(names) <= PUBLIC_NAMES
    assert {"fit", "plan", "evaluate", "load", "Schema", "Model", "Ledger", "DpsynthError"} <= set(names)
    for name in names:
        assert getattr(dpsynth, name) is not None
    assert set(names) <= set(dir(dpsynth))


def test_public_things_are_documented() -> None:
    bare = [name for name in dpsynth.__all__ if not name.startswith("_") and not getattr(dpsynth, name).__doc__]
    assert not bare


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert project["version"] == dpsynth.__version__ == version("dpsynth")
    assert f"## [{project['version']}]" in changelog


def test_no_test_was_lost(request: pytest.FixtureRequest) -> None:
    written = sum(
        isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        for path, text in texts("tests")
        if path.name.startswith("test_") and path.suffix == ".py"
        for node in walked(text)
    )
    assert written >= MINIMUM_TESTS
    whole_suite = set(request.config.args) == set(request.config.getini("testpaths"))
    if whole_suite:
        assert len(request.session.items) >= max(written, MINIMUM_COLLECTED)
