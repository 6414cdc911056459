"""Reading the sources as text and syntax trees, for the tests that hold the rules of the house."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "dpsynth"
TEXT_SUFFIXES = {".py", ".md", ".toml", ".json", ".jsonl", ".yaml", ".yml", ".txt", ".cfg"}


@cache
def sources() -> dict[str, str]:
    return {path.relative_to(SRC).as_posix(): path.read_text(encoding="utf-8") for path in sorted(SRC.rglob("*.py"))}


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def walked(text: str) -> tuple[ast.AST, ...]:
    """Every node of the tree of a text."""
    return tuple(ast.walk(parsed(text)))


def tree(name: str) -> ast.Module:
    return parsed(sources()[name])


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for name in sources():
        for node in walked(sources()[name]):
            if isinstance(node, kinds):
                yield name, node


def docstring_lines(node: ast.AST) -> set[int]:
    """The lines of every docstring in the tree, and of the strings that document attributes."""
    lines: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant) and isinstance(inner.value.value, str):
            lines.update(range(inner.lineno, (inner.end_lineno or inner.lineno) + 1))
    return lines


def code_lines(text: str) -> int:
    """Lines that are neither blank, nor comment, nor docstring."""
    documentation = docstring_lines(ast.parse(text))
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}:
            continue
        if token.type != tokenize.ENDMARKER:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - documentation)


def imported(name: str) -> Iterator[tuple[str, int]]:
    for node in walked(sources()[name]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and last(node.func) in {"import_module", "__import__"}:
            yield from ((str(given.value), node.lineno) for given in node.args[:1] if isinstance(given, ast.Constant))


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def last(node: ast.AST) -> str:
    """The last name of a dotted expression."""
    return dotted(node).rpartition(".")[2]


def texts(*folders: str) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in TEXT_SUFFIXES and not {"_build", "__pycache__"} & set(path.parts):
                yield path, path.read_text(encoding="utf-8")
