"""Gates: what a policy demands before a table may leave, as YAML that is versioned and names its sources.

A gate is read before any row is. Every threshold carries the citation it rests on, or says that it is a house default.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dpsynth.errors import SchemaError, UsageError
from dpsynth.schema.document import checked
from dpsynth.schema.table import read_text
from dpsynth.schema.yamltext import parse

DEFAULT = "default"
RuleName = Literal[
    "guarantee",
    "public-domain",
    "no-direct-identifiers",
    "pool-epsilon",
    "smallest-class",
    "years-only",
    "ages-below-90",
    "field-names",
]
RiskName = Literal["membership", "singling out", "linkability", "inference", "equivalence classes"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_LIMIT = {"pool-epsilon": "at_most", "smallest-class": "at_least", "field-names": "words"}


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class RulePart(_Part):
    """A hard rule, decided from public facts and the synthetic table. ``words``: for names of fields, in lower case."""

    rule: RuleName
    citation: str = Field(min_length=1)
    at_most: float | None = Field(default=None, gt=0)
    at_least: int | None = Field(default=None, ge=1)
    words: list[str] | None = Field(default=None, min_length=1)


class RiskPart(_Part):
    """A threshold of a measured risk: figures of this ``risk``, all of them or those of one ``measure``.

    ``or_claim``: the lower of ``at_most`` and what the model's own claim allows any attacker, for membership.
    ``demand``: ``pass`` when every upper bound must be below the threshold, ``no-failure`` when only a proven excess
    blocks.
    """

    risk: RiskName
    citation: str = Field(min_length=1)
    at_most: float = Field(gt=0, le=1)
    measure: str | None = Field(default=None, min_length=1)
    or_claim: bool = False
    demand: Literal["pass", "no-failure"]


class ItemPart(_Part):
    """What a person answers; nothing here is measured."""

    clause: str = Field(min_length=1)
    item: str = Field(min_length=1)


class GateModel(_Part):
    """A gate file."""

    gate: Literal[1]
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    title: str = Field(min_length=1)
    about: str = Field(min_length=1)
    candidates: int = Field(ge=1, le=1000)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    rules: list[RulePart] = []
    risks: list[RiskPart] = []
    checklist: list[ItemPart] = []


@dataclass(frozen=True)
class Gate:
    """A gate with the SHA-256 of its text: which candidates it has seen, and what it demands of them.

    ``candidates``: how many tables of one pool may be brought before a gate, fixed in advance; ``alpha``: what every
    one-sided bound may miss.
    """

    document: GateModel
    sha256: str

    @property
    def name(self) -> str:
        """The name and version, for people."""
        return f"{self.document.name} ({self.document.version})"

    def risk_of(self, risk: str, measure: str) -> RiskPart | None:
        """The first threshold that a figure is judged by; ``None``: it is reported only."""
        for part in self.document.risks:
            if part.risk == risk and part.measure in (None, measure):
                return part
        return None

    def to_dict(self) -> dict[str, Any]:
        """What stands in audit.json."""
        kept = ("name", "version", "title", "about", "candidates", "alpha")
        return {**{key: getattr(self.document, key) for key in kept}, "sha256": self.sha256}


def gate_names() -> tuple[str, ...]:
    """The gates that come with dpsynth, the default one first."""
    names = sorted(path.name.removesuffix(".yaml") for path in _folder().iterdir() if path.name.endswith(".yaml"))
    return (DEFAULT, *(name for name in names if name != DEFAULT))


def load_gate(gate: str | Path = DEFAULT) -> Gate:
    """The gate of this name, or that of the file at this path (with a suffix or a folder).

    Raises ``UsageError`` for an unknown name, ``FileFormatError`` for an unreadable file, ``SchemaError`` for a
    document that is no gate or demands nothing.
    """
    text = str(gate)
    if _NAME.fullmatch(text) and not isinstance(gate, Path):
        if text not in gate_names():
            hint = f"Gates: {', '.join(gate_names())}; or the path of a gate file such as ./{text}.yaml."
            raise UsageError(f"there is no gate {text!r}", where="gate", hint=hint)
        return parse_gate((_folder() / f"{text}.yaml").read_text(encoding="utf-8"), text)
    return parse_gate(read_text(gate), text)


def parse_gate(text: str, where: str) -> Gate:
    """The gate in this YAML; ``SchemaError`` names the key that is wrong."""
    document = parse(text, where)
    if not isinstance(document, dict):
        raise SchemaError("a gate is a mapping of keys", where=where, hint="Start with 'gate: 1'.")
    found = checked(GateModel, document, where, _known)
    if not (found.rules or found.risks):
        hint = "Add rules or risks; a checklist alone lets everything pass."
        raise SchemaError("the gate has no rule and no threshold", where=where, hint=hint)
    for part in found.rules:
        _check_limit(part, where)
    return Gate(found, hashlib.sha256(text.encode()).hexdigest())


def _check_limit(part: RulePart, where: str) -> None:
    """A rule has the limit that it needs, and no other: none is ignored."""
    needed = _LIMIT.get(part.rule)
    given = [key for key in ("at_most", "at_least", "words") if getattr(part, key) is not None]
    if given != ([needed] if needed else []):
        wanted = f"needs the key {needed!r} alone" if needed else "has no limit"
        raise SchemaError(f"the rule {part.rule!r} {wanted}", where=where)


def _known(keys: list[str], _field: str) -> list[str]:
    parts: dict[str, type[BaseModel]] = {"rules": RulePart, "risks": RiskPart, "checklist": ItemPart}
    return list(parts.get(keys[0], GateModel).model_fields)


def _folder() -> Any:
    return resources.files("dpsynth.audit") / "gates"
