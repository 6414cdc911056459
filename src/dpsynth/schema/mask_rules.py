"""Which one mask a key ``mask`` asks for, and what about its settings is wrong whatever the table holds."""

from __future__ import annotations

import math

from dpsynth.schema.mask_parts import Mask, MaskPart
from dpsynth.schema.ranges import WrongKey


def the_mask(mask: Mask) -> tuple[str, MaskPart]:
    """The name of the one mask that is asked for, and the part that holds its settings.

    ``top`` stands for ``bottom`` too. ``WrongKey`` for none or several, for an unkeyed hash, and for settings that
    contradict each other; nothing here depends on a table.
    """
    if isinstance(mask, str):
        return mask, MaskPart() if mask == "drop" else MaskPart.model_validate({mask: {}})
    named = [name for name in MaskPart.model_fields if name != "invalid" and getattr(mask, name) is not None]
    if "hash" in named:
        why = "a hash without a key hides nothing: all billion social security numbers are hashed in ten minutes"
        raise WrongKey("dpsynth.mask.hash", why, "Use pseudonym, which needs a key.")
    if set(named) == {"top", "bottom"}:
        named = ["top"]
    if len(named) != 1:
        known = ", ".join(name for name in ("drop", *MaskPart.model_fields) if name not in ("hash", "invalid"))
        raise WrongKey("dpsynth.mask", "needs exactly one mask", f"Masks: {known}.")
    _check(mask)
    return ("top" if named == ["bottom"] else named[0]), mask


def _check(mask: MaskPart) -> None:
    numbers = [one for one in (mask.top, mask.bottom, mask.round.to if mask.round else None) if one is not None]
    if not all(math.isfinite(one) for one in numbers):
        raise WrongKey("dpsynth.mask", "needs finite numbers")
    if mask.top is not None and mask.bottom is not None and mask.bottom > mask.top:
        raise WrongKey("dpsynth.mask", "bottom lies above top")
    if mask.round and mask.round.to <= 0:
        raise WrongKey("dpsynth.mask.round.to", "must be above 0")
    if mask.shift and not -36_500 <= mask.shift.days[0] < mask.shift.days[1] <= 36_500:
        raise WrongKey("dpsynth.mask.shift.days", "is [least, most] days, at most 36500 either way")
    if mask.zip3 and not all(one.isascii() and one.isdigit() for one in mask.zip3.small or []):
        raise WrongKey("dpsynth.mask.zip3.small", "lists areas of three digits (put them in quotes)")
    _check_replacement(mask)


def _check_replacement(mask: MaskPart) -> None:
    if mask.replace is None:
        return
    if (mask.replace.regex is None) == (mask.replace.faker is None):
        raise WrongKey("dpsynth.mask.replace", "needs exactly one of regex and faker")
    if mask.replace.locale is not None and mask.replace.faker is None:
        raise WrongKey("dpsynth.mask.replace.locale", "is for faker")
