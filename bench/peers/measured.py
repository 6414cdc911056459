"""Runs one command under a limit of CPU time for its whole process tree, and says in JSON how it ended and its cost.

    python -S -E bench/peers/measured.py LIMIT REPORT COMMAND...

A program of its own because the peak memory of a child starts at that of its parent: this one imports nothing heavy.
CPU seconds are user + system of the command and of the descendants it waited for, or of all that could be seen alive,
whichever is larger. The peak is the largest resident set of one process, or the largest sum over the tree that was seen
alive, whichever is larger. Linux is watched through ``/proc``; elsewhere each process has the limit for itself.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_SECONDS = 0.25
WALL_FACTOR = 6
"""A command that waits instead of computing is ended after this many times its CPU limit."""

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """How a command ended: ``finished``, ``timed out`` or ``crashed``. ``peak_mb`` is in units of 10**6 bytes."""

    outcome: str
    exit_code: int
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def alive(session: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of the living processes of a session, the children they waited for included."""
    ticks, pages = 0, 0
    for path in PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended between the listing and the reading
            continue
        if len(fields) > 21 and int(fields[3]) == session:
            ticks += sum(int(field) for field in fields[11:15])
            pages += int(fields[21])
    return ticks / TICKS, pages * PAGE_BYTES


def limited(command: Sequence[str], limit: float) -> Cost:
    """Run the command to its end or to the limit; nothing of its session is left running."""

    def cap_every_process() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))

    start = time.monotonic()
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=cap_every_process)  # noqa: PLW1509
    seen_cpu, seen_bytes, ended_by_us = 0.0, 0, False
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            cpu, held = alive(process.pid)
            seen_cpu, seen_bytes = max(seen_cpu, cpu), max(seen_bytes, held)
            if seen_cpu > limit or time.monotonic() - start > limit * WALL_FACTOR:
                ended_by_us = True
                end_rest(process.pid)
            time.sleep(POLL_SECONDS)
    finally:  # also when this program is interrupted: the session would not hear of it
        end_rest(process.pid)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = max(usage.ru_utime + usage.ru_stime, seen_cpu)
    stopped = ended_by_us or process.returncode == -signal.SIGXCPU or (process.returncode < 0 and cpu > limit)
    outcome = "timed out" if stopped else "crashed" if process.returncode else "finished"
    peak = max(usage.ru_maxrss * RSS_UNIT, seen_bytes) / 1e6
    return Cost(outcome, process.returncode, round(cpu, 2), round(wall, 2), round(peak, 1))


def end_rest(session: int) -> None:
    """End what the command left running in its process group."""
    try:
        os.killpg(session, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    measured = limited(sys.argv[3:], float(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(asdict(measured)), encoding="utf-8")
