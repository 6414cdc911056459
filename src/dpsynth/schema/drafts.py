"""Drafts of ``schema.yaml``: what ``schema init`` writes, and the steward's word that ``schema confirm`` adds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from dpsynth.errors import SchemaError, UsageError
from dpsynth.schema.document import TODO, did_you_mean
from dpsynth.schema.peek import MISSING_TEXTS, Found, look
from dpsynth.schema.physical import proposed_type
from dpsynth.schema.yamltext import ListNode, MapNode, Scalar, dump, parse_nodes

_HEADER = """\
# A draft. Answer every TODO from public knowledge (a code book, a law, a form), not from the rows: what is copied from
# the rows may reveal somebody. A column that names people (name, e-mail, record number) gets `role: direct-id`: it
# never enters a model and needs nothing else. Then run: dpsynth schema check
"""
_PEEKED = """\
# Categories and bounds below were copied from the rows (`source: data`), and a fit refuses them. Replace them by public
# ones and write `source: public`, or state that they are public anyway: dpsynth schema confirm
"""
_TYPES = "string | integer | number | boolean | date | datetime"
_ROLES = "direct-id | quasi | sensitive | other | weight"
_BINS = {
    "integer": "needed only beyond 1000 numbers: {width: W} | {count: N} | {log: N} | {edges: [...]}",
    "number": "{width: W} | {count: N} | {log: N} | {edges: [...]}",
    "date": "day | week | month | quarter | year",
    "datetime": "hour | day | week | month | quarter | year",
}
_MOMENT = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]")


def propose(
    names: Sequence[str], types: Mapping[str, str], name: str, peek: Iterable[pa.RecordBatch] | None = None
) -> str:
    """The YAML text of a draft for a table with these columns and physical types.

    Without ``peek`` nothing but names and types is used and every bound is a TODO. With the table's batches the draft
    holds their types, categories and bounds, stamped ``source: data``.
    """
    physical = {column: types.get(column, "") for column in names}
    zones = {column: _zone(kind) for column, kind in physical.items()}
    found = {} if peek is None else look(peek, physical, zones)
    missing = () if peek is None else MISSING_TEXTS
    lines = [
        *(_HEADER + (_PEEKED if peek is not None else "")).splitlines(),
        "dpsynth:",
        "  version: 1",
        f"  name: {_inline(name)}",
        "  # population: whose data this is; all tables of one population share one budget. Default: the name.",
        "  unit: row  # or {column: NAME, max_rows: N} when a person may have up to N rows",
        f"missingValues: {_inline(['', *missing])}",
        "fields:",
    ]
    for column in names:
        lines += _field(column, physical[column], zones[column], found.get(column))
    return "\n".join(lines) + "\n"


def _field(column: str, physical: str, zone: str | None, found: Found | None) -> list[str]:
    kind = found.type if found and found.type else proposed_type(physical)
    # The raw cells of CSV are ``binary`` inside; to its reader a CSV holds text.
    seen = "text" if physical == "binary" else " ".join(physical.split())
    lines = [f"  - name: {_inline(column)}" + (f"  # {seen}" if seen else "")]
    lines.append(f"    type: {kind}" if kind else f"    type: {TODO}  # {_TYPES}")
    lines += _constraints(kind, found)
    lines += ["    dpsynth:", f"      role: other  # {_ROLES}"]
    lines.append(f"      source: {'data' if found else TODO}  # public | dp | data: where the domain is known from")
    if kind in _BINS:
        lines += _bins(kind, found)
    if zone:
        lines.append(f"      zone: {_inline(zone)}")
    if dtype := _dtype(kind, physical):
        lines.append(f"      dtype: {_inline(dtype)}")
    return lines


def _constraints(kind: str | None, found: Found | None) -> list[str]:
    if kind is None:
        return [f"    constraints: {TODO}  # {{enum: [...]}} or {{minimum: A, maximum: B}}; none for boolean"]
    if kind == "boolean":
        return []
    if kind == "string":
        if found and found.listed_all:
            return ["    constraints:", "      enum:", *(f"        - {_inline(text)}" for text in found.enum)]
        note = "  # too many different values to list: a direct-id?" if found else "  # [A, B, C]"
        return [f"    constraints: {{enum: {TODO}}}{note}"]
    low = _inline(found.minimum) if found and found.minimum is not None else TODO
    high = _inline(found.maximum) if found and found.maximum is not None else TODO
    return [f"    constraints: {{minimum: {low}, maximum: {high}}}"]


def _bins(kind: str, found: Found | None) -> list[str]:
    if found and found.bins is not None:
        return [f"      bins: {_inline(found.bins)}"]
    if kind == "integer":
        return [f"      # bins: {_BINS[kind]}"]
    return [f"      bins: {TODO}  # {_BINS[kind]}"]


def _dtype(kind: str | None, physical: str) -> str | None:
    """The output dtype that keeps the physical type and can hold null; None where the default does."""
    if physical.startswith("dictionary") and kind == "string":
        return "category"
    if kind == "integer" and re.fullmatch(r"u?int(8|16|32)", physical):
        return physical.replace("i", "I").replace("u", "U")
    if kind == "number" and physical in ("float", "float32"):
        return "float32"
    moment = _MOMENT.fullmatch(physical)
    if moment is None or kind not in ("date", "datetime"):
        return None
    zone = f", {moment[2]}" if moment[2] and kind == "datetime" else ""
    return f"datetime64[{moment[1]}{zone}]"


def _zone(physical: str) -> str | None:
    moment = _MOMENT.fullmatch(physical)
    return moment[2] if moment else None


def _inline(value: object) -> str:
    """One value on one line of YAML, safe inside a block or a flow collection."""
    return dump([value], flow=True, width=10**9).strip()[1:-1]


def confirm(text: str, fields: Sequence[str], reason: str) -> str:
    """The same text with ``source: public`` and ``public_reason`` at these fields; comments and layout are kept.

    ``UsageError`` for an unknown field, an empty reason, or a field whose source is neither ``data`` nor ``TODO``.
    """
    if not reason.strip():
        raise UsageError("the reason is empty", where="--public", hint="Say why the domain is public knowledge.")
    nodes = _field_nodes(text)
    edits: list[tuple[tuple[int, int], tuple[int, int], str]] = []
    for name in dict.fromkeys(fields):
        if name not in nodes:
            raise UsageError("the schema has no such field", where=name, hint=did_you_mean(name, list(nodes)))
        edits += _edits(name, nodes[name], _inline(" ".join(reason.split())))
    return _edited(text, edits)


def _field_nodes(text: str) -> dict[str, MapNode]:
    document = parse_nodes(text, "schema")
    listed = document.get("fields") if isinstance(document, MapNode) else None
    nodes = [node for node in listed.items if isinstance(node, MapNode)] if isinstance(listed, ListNode) else []
    names = [(node.get("name"), node) for node in nodes]
    return {name.text: node for name, node in names if isinstance(name, Scalar)}


def _edits(name: str, node: MapNode, reason: str) -> list[tuple[tuple[int, int], tuple[int, int], str]]:
    part = node.get("dpsynth")
    source = part.get("source") if isinstance(part, MapNode) else None
    if not isinstance(part, MapNode) or not isinstance(source, Scalar):
        raise SchemaError(f"field {name!r}: source is missing; it has no default", where="schema")
    if source.text not in ("data", TODO):
        raise UsageError(f"its source is already {source.text!r}: there is nothing to confirm", where=name)
    edits = [(source.start, source.end, "public")]
    old = part.get("public_reason")
    if isinstance(old, Scalar):
        return [*edits, (old.start, old.end, reason)]
    if part.flow:
        return [(source.start, source.end, f"public, public_reason: {reason}")]
    key = next(key for key, _ in part.items if key.text == "source")
    line = (source.end[0] + 1, 0)
    return [*edits, (line, line, f"{' ' * key.start[1]}public_reason: {reason}\n")]


def _edited(text: str, edits: list[tuple[tuple[int, int], tuple[int, int], str]]) -> str:
    """The text with each span (line and column, from 0) replaced."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    joined = "".join(lines)
    spans = sorted((starts[a[0]] + a[1], starts[b[0]] + b[1], new) for a, b, new in edits)
    pieces, position = [], 0
    for low, high, new in spans:
        pieces += [joined[position:low], new]
        position = high
    return "".join([*pieces, joined[position:]])
