"""Which masks and levels a fit applies itself: keyless, row by row, and fixed before anybody looked at the rows."""

from __future__ import annotations

from dpsynth.schema.document import FieldModel, TypeName
from dpsynth.schema.mask_parts import KEYED, Mask
from dpsynth.schema.mask_rules import the_mask
from dpsynth.schema.ranges import WrongKey

_TEXTS: tuple[TypeName, ...] = ("string",)
_NUMBERS: tuple[TypeName, ...] = ("string", "integer", "number")
_TYPES: dict[str, tuple[TypeName, ...]] = {
    "redact": _TEXTS,
    "ages": _TEXTS,
    "zip3": _TEXTS,
    "top": _NUMBERS,
    "round": _NUMBERS,
}
"""The types of the masked values, by mask: ages from 90 on are the text ``90+``."""

DROP = "drop"
"""The mask of a field that is not modeled."""


def check_masking(model: FieldModel) -> None:
    """``WrongKey`` unless a fit can apply what the field says: of a modeled field, one mask or one level.

    Fields that never enter a fit may have any mask, for other commands, and are not checked.
    """
    part = model.dpsynth
    if part.level is not None and part.hierarchy is None:
        raise WrongKey("dpsynth.level", "is a level of a hierarchy, and there is none", "Add hierarchy.")
    if part.hierarchy is not None and part.hierarchy.file is not None and part.hierarchy.paths is None:
        what = "names a file, but the schema was read from none"
        raise WrongKey("dpsynth.hierarchy.file", what, "Write its lines as paths.")
    if part.derived is not None and (part.level is not None or part.mask not in (None, DROP)):
        key = "mask" if part.level is None else "level"
        raise WrongKey(f"dpsynth.{key}", "a field that follows from others has none", "Give it to those.")
    if part.mask is not None and part.mask != DROP:
        if part.level is not None:
            raise WrongKey("dpsynth.mask", "stands beside a level", "One of them is enough.")
        _check_mask(part.mask, model.type)


def _check_mask(mask: Mask, type_name: TypeName | None) -> None:
    kind, _ = the_mask(mask)
    if kind in KEYED:
        hint = "Mask the table first (`dpsynth mask`), or give the field role: direct-id or mask: drop."
        raise WrongKey("dpsynth.mask", f"{kind} needs a key, and a fit has none", hint)
    if kind == "text":
        raise WrongKey("dpsynth.mask", "free text is not modeled", "Write mask: drop.")
    if kind in _TYPES and type_name is not None and type_name not in _TYPES[kind]:
        hint = "Use top for numbers." if kind == "ages" else "The domain is that of the masked values."
        raise WrongKey("dpsynth.mask", f"{kind} makes text of a field of type {type_name}", hint)
