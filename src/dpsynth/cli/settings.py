"""Options that may also come from the environment (``DPSYNTH_NAME``) or from ``dpsynth.yaml``.

Precedence: flag, environment, ``dpsynth.yaml`` in the working directory, default.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from dpsynth.errors import UsageError

FILE = "dpsynth.yaml"

KEYS = (
    "schema",
    "epsilon",
    "share",
    "discover-share",
    "delta",
    "method",
    "workload",
    "effort",
    "max-model-size",
    "degree",
    "theta",
    "unit",
    "pool",
    "purpose",
    "ledger",
    "memory-limit",
    "max-stability",
    "rows",
    "quiet",
)
"""Every setting, by the long name of its option."""

Function = TypeVar("Function", bound=Callable[..., Any])


def setting(key: str, *aliases: str, **attributes: Any) -> Callable[[Function], Function]:
    """A click option that also reads ``DPSYNTH_KEY`` and the key of dpsynth.yaml."""
    if key not in KEYS:
        raise ValueError(key)
    variable = "DPSYNTH_" + key.replace("-", "_").upper()
    return click.option(f"--{key}", *aliases, envvar=variable, **attributes)


def defaults(command: click.Command) -> dict[str, str]:
    """What dpsynth.yaml says about the settings of this command, as text; ``UsageError`` for a malformed file."""
    said = _read(Path(FILE))
    named = {param.name: key for param in command.params for key in KEYS if f"--{key}" in param.opts and param.envvar}
    return {name: said[key] for name, key in named.items() if name and key in said}


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise UsageError("the file is not UTF-8 text", where=FILE) from None
    return _parse(text)


def _parse(text: str) -> dict[str, str]:
    """Keys and values as written; scalars stay text so that ``epsilon: 0.1`` is exactly one tenth."""
    import yaml

    try:
        root = yaml.compose(text, yaml.BaseLoader)
    except yaml.YAMLError:
        raise UsageError("the file is not YAML", where=FILE, hint="Write one 'name: value' a line.") from None
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise UsageError("the file must hold 'name: value' lines", where=FILE)
    found: dict[str, str] = {}
    for key, value in root.value:
        where = f"{FILE}, line {key.start_mark.line + 1}"
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        _check_key(name, where, repeated=name in found)
        if not isinstance(value, yaml.ScalarNode) or not value.value:
            raise UsageError(f"{name} needs one plain value", where=where)
        found[name] = value.value
    return found


def _check_key(name: str, where: str, *, repeated: bool) -> None:
    if name not in KEYS:
        near = get_close_matches(name, KEYS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Settings: {', '.join(KEYS)}."
        raise UsageError(f"unknown setting {name!r}", where=where, hint=hint)
    if repeated:
        raise UsageError(f"{name} is set twice", where=where)
