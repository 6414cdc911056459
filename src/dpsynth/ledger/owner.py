"""Who holds a reservation, and whether that process is certainly dead; doubt counts as life."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """The facts that identify this process: host, machine, boot, process namespace, pid and start time."""
    return {**_place(), "boot": _text("/proc/sys/kernel/random/boot_id"), "pid": os.getpid(), "start": _start("self")}


def host() -> str:
    """The name of this host; ``unknown`` if it has none."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "unknown")


def actor() -> str:
    """The name of the user; ``unknown`` if there is none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def is_dead(owner: Mapping[str, Any] | None) -> bool:
    """Whether the owner ran on this host and certainly runs no more.

    ``False`` for an owner on another host, in another container, or unknown: such a reservation stays until it is
    forfeited by its identifier.
    """
    if not owner or any(owner.get(name) != value for name, value in _host_identity().items()):
        return False
    boot = _text("/proc/sys/kernel/random/boot_id")
    if boot is None or owner.get("boot") is None:
        return not _exists(owner.get("pid"))
    if owner["boot"] != boot:
        return True
    if owner.get("namespace") != _place()["namespace"]:
        return False
    return _start(owner.get("pid")) != owner.get("start")


def _host_identity() -> dict[str, Any]:
    return {"host": host(), "machine": _text("/etc/machine-id")}


def _place() -> dict[str, Any]:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return {**_host_identity(), "namespace": namespace}


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def _start(pid: Any) -> str | None:
    """The start time of a process in clock ticks since boot; ``None`` if it is gone or only waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command name may hold spaces and parentheses; the fields follow its last one.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _exists(pid: Any) -> bool:
    """Whether a process with this pid exists, on systems without /proc; where it cannot be asked, yes."""
    if sys.platform == "win32" or not isinstance(pid, int) or pid < 1:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
