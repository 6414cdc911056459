"""The shape of a policy file: strict models of every key, and complaints in the schema's words."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dpsynth.schema.document import Role, Scalar, TypeName, UnitPart, checked
from dpsynth.schema.hierarchy_parts import HIERARCHY_KEYS, HierarchyPart
from dpsynth.schema.mask_parts import MASK_KEYS, Mask

Method = Literal["optimal", "local", "mondrian", "fixed"]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class HeadPart(_Part):
    """The policy's ``dpsynth:`` block; without a unit that of the schema, or rows."""

    version: Literal[1]
    name: str | None = Field(default=None, min_length=1)
    unit: Literal["row"] | UnitPart | None = None


class PolicyFieldPart(_Part):
    """A field's ``dpsynth:`` block.

    ``level``: the one level of the hierarchy that is released; ``levels``: the lowest and the highest that may be.
    ``weight``: how much the detail of this field matters beside that of others. ``order``: the values of a sensitive
    field from low to high, or that they are numbers.
    """

    role: Role | None = None
    mask: Mask | None = None
    hierarchy: HierarchyPart | None = None
    level: int | None = Field(default=None, ge=0, le=1000)
    levels: list[int] | None = Field(default=None, min_length=2, max_length=2)
    weight: float | None = Field(default=None, gt=0, le=1e6)
    order: Literal["numeric"] | list[Scalar] | None = None


class PolicyFieldModel(_Part):
    """One field."""

    name: str = Field(min_length=1)
    type: TypeName | None = None
    title: str | None = None
    description: str | None = None
    format: str | None = None
    dpsynth: PolicyFieldPart = PolicyFieldPart()


class KPart(_Part):
    """``k-anonymity``: every class holds at least ``k`` persons (or rows, where the unit is a row)."""

    k: int = Field(ge=1)


class KMapPart(_Part):
    """``k-map``: every class holds at least ``k`` persons of a population, a table with the same columns."""

    k: int = Field(ge=1)
    population: str = Field(min_length=1)


class DiversityPart(_Part):
    """``l-diversity``: distinct, entropy or recursive; ``c`` is of the recursive kind."""

    field: str
    l: float = Field(ge=1)  # noqa: E741 (the model's own letter)
    kind: Literal["distinct", "entropy", "recursive"] = "distinct"
    c: float | None = Field(default=None, gt=0)


class ClosenessPart(_Part):
    """``t-closeness``: with equal distances between values, or with those of their order."""

    field: str
    t: float = Field(ge=0, le=1)
    distance: Literal["equal", "ordered"] = "equal"


class AlphaPart(_Part):
    """``alpha-k``: no value has a larger share than ``alpha`` in a class, and ``k``."""

    field: str
    alpha: float = Field(gt=0, le=1)
    k: int = Field(ge=1)


class BetaPart(_Part):
    """``beta-likeness``: no value's share grows by more than the factor ``beta``."""

    field: str
    beta: float = Field(gt=0)
    enhanced: bool = False


class DeltaPart(_Part):
    """``delta-disclosure``: the logarithm of every value's share moves by less than ``delta``."""

    field: str
    delta: float = Field(gt=0)


class ModelPart(_Part):
    """Exactly one privacy model."""

    k_anonymity: KPart | None = Field(default=None, alias="k-anonymity")
    k_map: KMapPart | None = Field(default=None, alias="k-map")
    l_diversity: DiversityPart | None = Field(default=None, alias="l-diversity")
    t_closeness: ClosenessPart | None = Field(default=None, alias="t-closeness")
    alpha_k: AlphaPart | None = Field(default=None, alias="alpha-k")
    beta_likeness: BetaPart | None = Field(default=None, alias="beta-likeness")
    delta_disclosure: DeltaPart | None = Field(default=None, alias="delta-disclosure")


class LimitsPart(_Part):
    """``suppression``: the largest share of rows that may be dropped. ``nodes``: lattices larger are not exhausted.

    ``nulls``: whether a missing quasi-identifier is a value like any other or matches all of them, when risks are
    counted. The others are the largest shares that ``risk`` lets pass: ``prosecutor`` is the highest risk of a row,
    ``marketer`` the mean, ``uniques`` the share of rows alone in their class.
    """

    suppression: float = Field(default=1.0, ge=0, le=1)
    method: Method = "optimal"
    nodes: int = Field(default=1_000_000, ge=1)
    nulls: Literal["strict", "wildcard"] = "strict"
    prosecutor: float | None = Field(default=None, ge=0, le=1)
    marketer: float | None = Field(default=None, ge=0, le=1)
    uniques: float | None = Field(default=None, ge=0, le=1)


class PolicyModel(_Part):
    """The policy of one table."""

    dpsynth: HeadPart
    title: str | None = None
    description: str | None = None
    missingValues: list[str] | None = None  # noqa: N815 (Frictionless spells it so)
    fields_: list[PolicyFieldModel] = Field(alias="fields", min_length=1)
    models: list[ModelPart] = Field(default=[], max_length=100)
    limits: LimitsPart = LimitsPart()


_KEYS: dict[str, type[BaseModel]] = {
    **HIERARCHY_KEYS,
    **MASK_KEYS,
    "unit": UnitPart,
    "limits": LimitsPart,
    "models": ModelPart,
    "k-anonymity": KPart,
    "k-map": KMapPart,
    "l-diversity": DiversityPart,
    "t-closeness": ClosenessPart,
    "alpha-k": AlphaPart,
    "beta-likeness": BetaPart,
    "delta-disclosure": DeltaPart,
}


def validate(document: dict[str, Any], where: str) -> PolicyModel:
    """The document as models; ``SchemaError`` names the field and the key, and what may have been meant."""
    return checked(PolicyModel, document, where, _known)


def _known(keys: list[str], field: str) -> list[str]:
    """The keys that may stand where the last key stands."""
    parent = keys[-2] if len(keys) > 1 else None
    tops: tuple[type[BaseModel], type[BaseModel]] = (
        (PolicyFieldModel, PolicyFieldPart) if field else (PolicyModel, HeadPart)
    )
    model = tops[0] if parent is None else tops[1] if parent == "dpsynth" else _KEYS.get(parent, tops[0])
    names = [info.alias or name for name, info in model.model_fields.items()]
    return [*names, "tables"] if model is PolicyModel else names
