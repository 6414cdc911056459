"""Which output dtypes a field may declare, and whether its values fit them. Text only: pandas is not imported."""

from __future__ import annotations

import re

_SIGNED = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
_UNSIGNED = {f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
INTEGERS = {**_SIGNED, **_UNSIGNED}
"""numpy integer dtypes and what they hold."""

_NULLABLE_INTEGERS = {
    name: limits
    for plain, limits in INTEGERS.items()
    for name in (plain.replace("i", "I", 1).replace("uI", "UI"), f"{plain}[pyarrow]")
}
_FLOATS = (
    "float32",
    "float64",
    "Float32",
    "Float64",
    "float[pyarrow]",
    "double[pyarrow]",
    "float32[pyarrow]",
    "float64[pyarrow]",
)
_STRINGS = ("object", "str", "string", "string[python]", "string[pyarrow]", "category")
_BOOLEANS = ("bool", "boolean", "bool[pyarrow]", "object", "category")
_DATES = ("object", "date32[day][pyarrow]", "category")
_MOMENT = re.compile(r"(datetime64|timestamp)\[(s|ms|us|ns)(, ?(tz=)?(?P<zone>[^\]]+))?\](?P<arrow>\[pyarrow\])?")

_ALLOWED: dict[str, tuple[str, ...]] = {
    "string": _STRINGS,
    "integer": (*INTEGERS, *_NULLABLE_INTEGERS, *_FLOATS, "object", "category"),
    "number": (*_FLOATS, "object", "category"),
    "boolean": _BOOLEANS,
    "date": _DATES,
    "datetime": ("object", "category"),
}


def allowed_dtypes(type_name: str) -> list[str]:
    """The dtypes that a field of this type may declare, as shown in messages."""
    shown = list(_ALLOWED[type_name])
    if type_name in ("date", "datetime"):
        shown += ["datetime64[s|ms|us|ns]", "timestamp[s|ms|us|ns][pyarrow]"]
    return shown


def dtype_problem(
    dtype: str, type_name: str, *, nullable: bool, zone: str | None, bounds: tuple[float, float] | None
) -> str | None:
    """Why a field may not declare this dtype, in words; None when it may."""
    moment = _MOMENT.fullmatch(dtype) if type_name in ("date", "datetime") else None
    if moment and (moment["arrow"] is not None) == (moment[1] == "timestamp"):
        return None if moment["zone"] in (None, zone) else "its zone is not the field's zone"
    if dtype not in _ALLOWED[type_name]:
        return f"is not an output dtype of {type_name} fields"
    if nullable and (dtype in INTEGERS or dtype == "bool"):
        return "cannot hold null: declare a nullable dtype or null: VALUE"
    limits = {**INTEGERS, **_NULLABLE_INTEGERS}.get(dtype)
    if limits and bounds and (bounds[0] < limits[0] or bounds[1] > limits[1]):
        return "cannot hold the field's whole range"
    return None
