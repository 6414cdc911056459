"""The rules of the house, continued: which modules may import what, and which words may not stand in the sources."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from reading import ROOT, dotted, imported, last, nodes, parsed, sources, texts, walked

BANNED_MODULES = {"pickle", "cPickle", "random", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
# Generators are made where released models are sampled; the room's noise is OpenDP's or the table sampler's.
GENERATORS_BORN_IN = ("models/", "pipeline/", "metrics/", "graph/", "cli/", "audit/")
HEAVY = ("opendp", "pandas", "scipy", "networkx", "polars", "numpy", "pyarrow", "pydantic", "rich.progress")


# --- imports ---------------------------------------------------------------------------------------------------


def test_banned_modules_are_not_imported() -> None:
    found = [
        f"{name}:{line} {module}"
        for name in sources()
        for module, line in imported(name)
        if module.split(".")[0] in BANNED_MODULES
    ]
    assert not found


def random_uses(text: str) -> list[tuple[int, str]]:
    """Uses of numpy's global generator, and generators without an argument, anywhere in the text."""
    found = []
    innocent = {"Generator", "default_rng", "SeedSequence", "PCG64", "PCG64DXSM", "Philox", "BitGenerator", "SFC64"}
    for node in walked(text):
        name = dotted(node)
        match = re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", name)
        if match and match.group(1) not in innocent:
            found.append((node.lineno, name))  # type: ignore[attr-defined]
        if isinstance(node, ast.ImportFrom) and node.module == "numpy.random":
            found += [(node.lineno, alias.name) for alias in node.names if alias.name not in innocent]
    return found


def test_numpy_has_no_global_seed_or_draw() -> None:
    found = {name: random_uses(text) for name, text in sources().items() if random_uses(text)}
    assert not found


def test_generators_are_born_only_where_models_are_sampled() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, node in nodes(ast.Call)
        if isinstance(node, ast.Call) and last(node.func) == "default_rng" and not name.startswith(GENERATORS_BORN_IN)
    ]
    assert not found


def test_the_table_sampler_has_one_source_of_bits() -> None:
    modules = {module.split(".")[0] for module, _ in imported("curator/table_sampler.py")}
    assert modules & {"os", "secrets", "ssl", "hashlib", "uuid", "time"} == {"secrets"}
    used = {dotted(node) for name, node in nodes(ast.Attribute) if name == "curator/table_sampler.py"}
    assert {name for name in used if "secrets" in name} == {"secrets.token_bytes", "secrets.randbits"}
    assert not {name for name in used if ".random" in name}


def test_random_uses_sees_global_draws() -> None:
    text = "import numpy as np\nnp.random.seed(1)\nfrom numpy.random import normal\nnp.random.default_rng(2)\n"
    assert sorted(random_uses(text)) == [(2, "np.random.seed"), (3, "normal")]


def test_the_layers_hold() -> None:
    run = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-3000:]


def test_release_and_report_see_neither_the_room_nor_the_audit() -> None:
    seen = [
        f"{name}:{line}"
        for name in sources()
        if name.startswith(("report/", "release/"))
        for module, line in imported(name)
        if module.startswith(("dpsynth.curator", "dpsynth.audit", "dpsynth.pipeline"))
    ]
    assert not seen


def test_only_synthetic_tables_are_read_with_line_breaks_in_quotes() -> None:
    """Where persons' rows are read, a stray quote of one must not swallow the rows of others."""
    asked = {
        f"{name}: {ast.unparse(node.args[0])}, {ast.unparse(keyword.value)}"
        for name, node in nodes(ast.Call)
        if isinstance(node, ast.Call) and not name.startswith("tables/")
        for keyword in node.keywords
        if keyword.arg == "quoted_line_breaks"
    }
    assert asked == {
        "pipeline/audited.py: synthetic, True",
        "pipeline/evaluate.py: source, not raw",
        "pipeline/reported.py: synthetic, True",
    }
    named = {name for name, text in sources().items() if "quoted_line_breaks" in text or "csv_records" in text}
    assert named == {
        "pipeline/audited.py",
        "pipeline/evaluate.py",
        "pipeline/reported.py",
        "tables/reading.py",
    }


def test_the_ledger_needs_no_numpy() -> None:
    heavy = [
        f"{name}:{line} {module}"
        for name in sources()
        if name.startswith(("ledger/", "errors.py", "domain.py"))
        for module, line in imported(name)
        if module.split(".")[0] in {"numpy", "pyarrow", "pandas", "scipy"}
    ]
    assert not heavy


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from dpsynth.cli.main import main\n"
        "sys.argv = ['dpsynth', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('heavy:', heavy)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "heavy: []"


# --- words -----------------------------------------------------------------------------------------------------


def test_no_file_is_named_after_nothing() -> None:
    empty = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
    assert not [name for name in sources() if empty & set(re.split(r"[/_.]", name))]


def test_nothing_is_half_done() -> None:
    marks = re.compile(r"\b(FIXME|XXX|HACK|raise NotImplementedError)\b")
    assert not [name for name, text in sources().items() if marks.search(text)]
    # A schema proposal marks what its steward has to fill in; the word is part of that file format, never of a comment.
    spoken = [name for name, text in sources().items() if "TODO" in text and not name.startswith(("schema/", "cli/"))]
    assert not spoken
    comments = [
        f"{name}:{token.start[0]}"
        for name, text in sources().items()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and "TODO" in token.string
    ]
    assert not comments


def test_no_function_is_a_stub() -> None:
    assert not {name: stubs(text) for name, text in sources().items() if stubs(text)}


def stubs(text: str) -> list[str]:
    """Functions that do nothing and do not say so, apart from Protocol methods, overloads and click groups."""
    module, found = parsed(text), []
    promised = {
        id(method)
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
        for method in ast.walk(node)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and id(node) not in promised:
            body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            empty = all(isinstance(statement, ast.Pass) for statement in body)
            marked = any(re.search("overload|group", ast.unparse(decorator)) for decorator in node.decorator_list)
            says_so = "nothing" in (ast.get_docstring(node) or "").partition("\n")[0].lower()
            if empty and not marked and not says_so:
                found.append(node.name)
    return found


def test_stubs_sees_an_empty_body() -> None:
    text = 'def f():\n    """Doc."""\ndef g():\n    pass\ndef h():\n    return None\n@cli.group()\ndef i():\n    pass\n'
    assert stubs(text) == ["f", "g"]


def test_no_path_of_a_machine() -> None:
    path_of_a_person = re.compile(r"(?<![\w.:/~-])/(?:home|Users|root|work|workspace|farm)/\w")
    files = [*texts("src", "tests", "docs", "audits", "bench", "examples"), *top_level_texts()]
    assert not [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in files
        for match in path_of_a_person.finditer(text)
    ]


def top_level_texts() -> Iterator[tuple[Path, str]]:
    for path in sorted(ROOT.glob("*")):
        if path.suffix in {".md", ".toml"} or path.name in {"Makefile", "NOTICE", "LICENSE"}:
            yield path, path.read_text(encoding="utf-8")
