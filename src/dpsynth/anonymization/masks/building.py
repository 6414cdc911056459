"""From the key ``mask`` of a field to the mask itself."""

from __future__ import annotations

from collections.abc import Callable

from dpsynth.anonymization.masks.check_digits import Check, Iban, Luhn
from dpsynth.anonymization.masks.dates import Shift
from dpsynth.anonymization.masks.formats import ALPHABETS, Format
from dpsynth.anonymization.masks.free_text import FreeText
from dpsynth.anonymization.masks.invented import FakeReplacement, PatternReplacement
from dpsynth.anonymization.masks.keys import MaskKey
from dpsynth.anonymization.masks.mask import Mask, OverCells
from dpsynth.anonymization.masks.numbers import Ages, Coded
from dpsynth.anonymization.masks.plain import SMALL_ZIP3, Constant, Redaction, Zip3
from dpsynth.anonymization.masks.pseudonyms import Pseudonym
from dpsynth.errors import SchemaError, UsageError
from dpsynth.schema import mask_parts
from dpsynth.schema.dates import pattern_of
from dpsynth.schema.fakes import seeded_fakes
from dpsynth.schema.identifiers import LOCALE, Fake
from dpsynth.schema.mask_parts import FormatPart, MaskPart
from dpsynth.schema.mask_rules import the_mask
from dpsynth.schema.patterns import PatternError, automaton_of
from dpsynth.schema.ranges import WrongKey

_ZIP_WIDTH = 5
_KEY_HINT = (
    "Give --key-file FILE (in Python: key=...), or set DPSYNTH_MASK_KEY; 'dpsynth mask --new-key FILE' makes a key."
)
_CHECKS: dict[str, Check | None] = {"none": None, "luhn": Luhn(), "iban": Iban()}


def build_mask(mask: mask_parts.Mask, name: str, key: MaskKey | None, where: str) -> Mask | None:
    """The mask of the field ``name``; None for ``drop``.

    Raises ``SchemaError`` for settings that cannot be kept, ``UsageError`` for a mask that needs the key when there is
    none, and for an optional library that is absent.
    """
    try:
        kind, part = the_mask(mask)
        if kind == "drop":
            return None
        if kind in _PLAIN:
            return _PLAIN[kind](part, name)
        if key is None:
            raise UsageError(f"the mask {kind} of field {name!r} needs a key", where=where, hint=_KEY_HINT)
        return _KEYED[kind](part, name, key)
    except WrongKey as wrong:
        place = wrong.key.removeprefix("dpsynth.")
        raise SchemaError(f"field {name!r}: {place}: {wrong.message}", where=where, hint=wrong.hint) from None


def _keyed_step(word: str, namespace: str) -> str:
    return word + (f" in the namespace {namespace!r}" if namespace else "")


def _constant(mask: MaskPart, _name: str) -> Mask:
    return OverCells("constant", Constant(str(mask.constant)))


def _redact(mask: MaskPart, _name: str) -> Mask:
    part = mask.redact or mask_parts.RedactPart()
    return OverCells("partial redaction", Redaction(part.first, part.last, part.with_))


def _pseudonym(mask: MaskPart, _name: str, key: MaskKey) -> Mask:
    part = mask.pseudonym or mask_parts.PseudonymPart()
    hashing = key.hashing("pseudonym", part.namespace)
    return OverCells(_keyed_step("pseudonym", part.namespace), Pseudonym(hashing, part.length, part.prefix))


def _format(mask: MaskPart, _name: str, key: MaskKey) -> Mask:
    part = mask.format or mask_parts.FormatPart()
    rule = Format(key.hashing("format", part.namespace), _sets(part), part.keep, _CHECKS[part.check])
    return OverCells(_keyed_step("format-preserving pseudonym", part.namespace), rule)


def _sets(part: FormatPart) -> tuple[str, ...]:
    sets = ALPHABETS.get(part.alphabet, (part.alphabet,))
    place = "dpsynth.mask.format"
    if part.check == "luhn":
        if part.alphabet not in ("shape", "digits"):
            raise WrongKey(f"{place}.alphabet", "a Luhn check digit is one of digits", "Leave alphabet out.")
        sets = ALPHABETS["digits"]
    if part.check == "iban":
        if part.alphabet != "shape":
            raise WrongKey(f"{place}.alphabet", "an IBAN keeps its shape", "Leave alphabet out.")
        sets = ALPHABETS["shape"][:2]
    if any(len(set(one)) != len(one) or len(one) < 2 for one in sets):
        raise WrongKey(f"{place}.alphabet", "lists two characters or more, none of them twice")
    if any(one.isspace() for one in "".join(sets)):
        raise WrongKey(f"{place}.alphabet", "holds white space, which tells no two values apart at their ends")
    letters = "".join((*sets, part.keep))
    if any(ord(one) < 32 or 0xD800 <= ord(one) <= 0xDFFF for one in letters):
        raise WrongKey(place, "holds a character that is no text")
    overlap = set("".join(sets)) & set(part.keep)
    # The default of keep yields to an alphabet that holds some of its characters.
    if overlap and part.keep != mask_parts.FormatPart().keep:
        raise WrongKey(f"{place}.keep", f"{min(overlap)!r} is also in the alphabet")
    return sets


def _shift(mask: MaskPart, name: str, key: MaskKey) -> Mask:
    part = mask.shift
    assert part is not None  # noqa: S101 (the kind was read from it)
    if part.by == name:
        raise WrongKey("dpsynth.mask.shift.by", "names the date itself", "Name the column that identifies the person.")
    if part.format is not None:
        if "%z" in part.format:
            raise WrongKey("dpsynth.mask.shift.format", "offsets are read in ISO 8601 only", "Leave format out.")
        try:
            pattern_of(part.format)
        except ValueError as error:
            raise WrongKey("dpsynth.mask.shift.format", str(error)) from None
    least, most = part.days
    step = _keyed_step(f"date shift of {least} to {most} days by {part.by!r}", part.namespace)
    return Shift(step, key.hashing("shift", part.namespace), least, most, (part.by,), part.format)


def _ages(mask: MaskPart, _name: str) -> Mask:
    top = (mask.ages or mask_parts.AgesPart()).top
    return OverCells(f"ages from {top} on grouped", Ages(top))


def _zip3(mask: MaskPart, _name: str) -> Mask:
    small = (mask.zip3 or mask_parts.Zip3Part()).small
    rule = Zip3(tuple(SMALL_ZIP3 if small is None else small))
    return OverCells("first three digits of ZIP codes", rule, _ZIP_WIDTH)


def _limits(mask: MaskPart, _name: str) -> Mask:
    said = [f"{word} coding at {limit}" for word in ("bottom", "top") if (limit := getattr(mask, word)) is not None]
    return Coded(" and ".join(said), bottom=mask.bottom, top=mask.top)


def _round(mask: MaskPart, _name: str) -> Mask:
    to = (mask.round or mask_parts.RoundPart(to=1)).to
    return Coded(f"rounding to {to}", to=to)


def _replace(mask: MaskPart, name: str, key: MaskKey) -> Mask:
    part = mask.replace
    assert part is not None  # noqa: S101 (the kind was read from it)
    step = _keyed_step("invented value", part.namespace)
    if part.regex is not None:
        try:
            automaton = automaton_of(part.regex)
        except PatternError as error:
            raise WrongKey("dpsynth.mask.replace.regex", str(error)) from None
        return OverCells(step, PatternReplacement(key.hashing("regex", part.namespace), automaton))
    invent = seeded_fakes(Fake(str(part.faker), part.locale or LOCALE), name)
    return OverCells(step, FakeReplacement(key.hashing("faker", part.namespace), invent))


def _text(mask: MaskPart, name: str) -> Mask:
    assert mask.text is not None  # noqa: S101 (the kind was read from it)
    part = mask.text.presidio
    rule = FreeText(None if part.entities is None else tuple(part.entities), part.language, name)
    rule.check()
    return OverCells("free text without what Presidio found, which is never all", rule)


_PLAIN: dict[str, Callable[[MaskPart, str], Mask]] = {
    "constant": _constant,
    "redact": _redact,
    "ages": _ages,
    "zip3": _zip3,
    "top": _limits,
    "round": _round,
    "text": _text,
}
_KEYED: dict[str, Callable[[MaskPart, str, MaskKey], Mask]] = {
    "pseudonym": _pseudonym,
    "format": _format,
    "shift": _shift,
    "replace": _replace,
}
