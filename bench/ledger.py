"""The ledger under contention and under ``kill -9``.

    python bench/ledger.py [--kills 200] [--draw-kills 50] [--output bench/results/NAME.json]

Contention: four processes ask 60 reservations of 1/100 each on a cap of 1; exactly 100 may be granted.
Draw kills: a process that draws in a loop is killed at random moments. Fit kills: a whole ``dpsynth fit`` on 1,000
rows is killed, half the times at moments spread evenly over its whole duration (most of it imports), half the times
between its first charge and its end. After every kill: the chain verifies, every charge that the killed process had
been told of is in the ledger, every head noted earlier is still in its chain, what was charged before is charged
still, and nothing stays reserved. At the end a further fit must succeed, and its model
must open.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Ledger, PoolState
from dpsynth.privacy.unit import Unit

RESULTS = Path(__file__).resolve().parent / "results"
DELTA = Fraction(1, 10**9)
PROCESSES, REQUESTS, PARTS = 4, 60, 100
ROWS = 1_000
SCHEMA = """\
fields:
  - {name: age, type: integer, constraints: {minimum: 0, maximum: 99}, dpsynth: {source: public, bins: {width: 10}}}
  - {name: grade, type: string, constraints: {enum: [low, middle, high]}, dpsynth: {source: public}}
  - {name: member, type: boolean, dpsynth: {source: public}}
  - {name: visits, type: integer, constraints: {minimum: 0, maximum: 9}, dpsynth: {source: public, bins: {width: 1}}}
dpsynth: {version: 1, name: bench}
"""


def reserve_many(path: str) -> None:
    """One of the competing processes: prints how many reservations it was granted, and the milliseconds of each."""
    ledger = Ledger.open(path)
    share = pool_of(ledger).share_of_cap(Fraction(1, PARTS))
    times, granted = [], 0
    for _ in range(REQUESTS):
        start = time.perf_counter()
        try:
            transaction = ledger.reserve("bench", share, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="bench")
        except BudgetExceededError:
            continue
        finally:
            times.append(1000 * (time.perf_counter() - start))
        transaction.touch()
        transaction.draw(share, {"question": "bench"})
        transaction.commit({})
        granted += 1
    print(json.dumps({"granted": granted, "milliseconds": times}))


def draw_forever(path: str) -> None:
    """A process that draws until it is killed, and tells each charge only after the ledger returned its receipt."""
    ledger = Ledger.open(path)
    share = pool_of(ledger).share_of_cap(Fraction(1, 1000))
    with ledger.reserve("bench", share, unit=Unit(), epsilon=Fraction(1), delta=DELTA, method="bench") as transaction:
        transaction.touch()
        while True:
            print(transaction.draw(share.share(Fraction(1, 10**6)), {"question": "bench"}).event, flush=True)


def observed_fit(arguments: Sequence[str]) -> None:
    """``dpsynth fit`` with one addition: each receipt's hash is printed when ``draw`` has returned it."""
    from dpsynth.cli.main import main as command_line
    from dpsynth.ledger import Transaction

    draw = Transaction.draw

    def draw_and_tell(self: Transaction, *parts: Any) -> Any:
        receipt = draw(self, *parts)
        os.write(1, f"{receipt.event}\n".encode())
        return receipt

    Transaction.draw = draw_and_tell  # type: ignore[method-assign]
    sys.argv = ["dpsynth", "fit", *arguments]
    command_line()


def pool_of(ledger: Ledger) -> PoolState:
    state = ledger.pool("bench")
    if state is None:
        sys.exit("the benchmark's pool is gone")
    return state


def child(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def contention(folder: Path) -> dict[str, Any]:
    """Four processes on one cap: how many were granted, and how long a request took under contention."""
    path = folder / "contention.db"
    Ledger.open(path).create("bench", epsilon=Fraction(1), delta=DELTA)
    start = time.perf_counter()
    workers = [child("--reserve", str(path)) for _ in range(PROCESSES)]
    answers = [json.loads(worker.communicate()[0]) for worker in workers]
    wall = time.perf_counter() - start
    times = sorted(duration for answer in answers for duration in answer["milliseconds"])
    state, verification = pool_of(Ledger.open(path)), Ledger.open(path).verify()
    return {
        "granted": sum(answer["granted"] for answer in answers),
        "limit": PARTS,
        "asked": PROCESSES * REQUESTS,
        "within_cap": state.governor.fits(state.charged, state.cap),
        "chain_valid": verification.ok,
        "events": verification.events,
        "wall_seconds": round(wall, 2),
        "request_milliseconds": {"median": round(times[len(times) // 2], 2), "largest": round(times[-1], 2)},
    }


class Killing:
    """One ledger through many kills, and what must hold after each."""

    def __init__(self, path: Path, *, epsilon: int) -> None:
        self.path = path
        self.heads: dict[str, str] = {}
        self.charged = 0
        self.told = 0
        self.lost = 0
        self.problems: list[str] = []
        self.outcomes: Counter[str] = Counter()
        Ledger.open(path).create("bench", epsilon=Fraction(epsilon), delta=DELTA)

    def kill(self, process: subprocess.Popen[str], moment: float, *, from_first_charge: bool = False) -> list[str]:
        """Kill the process ``moment`` seconds after its start or its first charge; the hashes it was told of."""
        first = process.stdout.readline() if from_first_charge and process.stdout else ""
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        out = first + (process.stdout.read() if process.stdout else "")
        process.wait()
        return [line for line in out.splitlines(keepends=True) if line.endswith("\n")]

    def check(self, told: Sequence[str]) -> None:
        """All promises after one kill."""
        before = len(Ledger.open(self.path).events("bench"))
        ledger = Ledger.open(self.path)
        verification = ledger.verify(self.heads)
        state, events = pool_of(ledger), ledger.events("bench")
        known = {event.hash for event in events}
        self.told += len(told)
        self.lost += sum(line.strip() not in known for line in told)
        self.outcomes[last_end(events[-1].kind, process_completed=bool(told))] += 1
        faults = {
            "the chain does not verify": not verification.ok,
            "a charge shrank": state.governor.units(state.charged) < self.charged,
            "more is charged than the cap": not state.governor.fits(state.charged, state.cap),
            "a reservation of a dead process is still held": bool(state.live),
            "recovery did not happen at the first opening": before != len(events),
        }
        self.problems += [fault for fault, present in faults.items() if present]
        self.heads, self.charged = verification.heads, state.governor.units(state.charged)

    def summary(self, kills: int) -> dict[str, Any]:
        """The figures of this series."""
        return {
            "kills": kills,
            "charges_acknowledged": self.told,
            "charges_lost": self.lost,
            "problems": sorted(set(self.problems)),
            "last_event_after_kill": dict(self.outcomes),
            "events": len(Ledger.open(self.path).events("bench")),
        }


def last_end(kind: str, *, process_completed: bool) -> str:
    """The last event, and whether the killed process had been told of a charge."""
    return f"{kind}, charges told" if process_completed else kind


def draw_kills(folder: Path, kills: int) -> dict[str, Any]:
    """A drawing process killed at random moments of its first half second."""
    series = Killing(folder / "draws.db", epsilon=1)
    for _ in range(kills):
        process = child("--draw", str(series.path))
        series.check(series.kill(process, 0.1 + secrets.randbelow(400) / 1000))
    return series.summary(kills)


def fit_kills(folder: Path, kills: int) -> dict[str, Any]:
    """A whole fit killed at moments from its start to its end, and a fit that must work afterwards."""
    schema, table, model = folder / "schema.yaml", folder / "people.csv", folder / "model.dps"
    schema.write_text(SCHEMA)
    write_table(table)
    series = Killing(folder / "fits.db", epsilon=10)
    share = ["--share", f"1/{2 * kills + 10}", "--force", "--ledger", str(series.path), "-o", str(model)]
    arguments = ["--observed-fit", str(table), "--schema", str(schema), *share]
    start = time.perf_counter()
    warm = child(*arguments)
    first_charge = time.perf_counter() - start if warm.stdout and warm.stdout.readline() else 0.0
    if warm.wait() != 0:
        sys.exit("the fit of this benchmark does not work; nothing was measured")
    duration = time.perf_counter() - start
    completed = 0
    for number in range(kills):
        model.unlink()
        late = number % 2 == 1
        window = duration - first_charge if late else duration
        told = series.kill(child(*arguments), window * secrets.randbelow(1100) / 1000, from_first_charge=late)
        series.check(told)
        completed += check_model(series, model)
        if not model.exists():
            model.touch()
    model.unlink()
    after = subprocess.run(
        [sys.executable, "-m", "dpsynth", "fit", str(table), "--schema", str(schema), *share],
        check=False,
        capture_output=True,
    )
    shown = subprocess.run([sys.executable, "-m", "dpsynth", "show", str(model)], check=False, capture_output=True)
    leftovers = [file.name for file in folder.iterdir() if file.name.endswith((".part", "-journal"))]
    return {
        **series.summary(kills),
        "fit_seconds": round(duration, 2),
        "seconds_from_first_charge_to_end": round(duration - first_charge, 3),
        "models_completed_before_the_kill": completed,
        "later_fit_works": after.returncode == 0 and shown.returncode == 0,
        "temporary_files_left_by_kills": len(leftovers),
    }


def check_model(series: Killing, model: Path) -> int:
    """1 if the killed fit had put its model in place; then its commit must be in the ledger."""
    if not model.exists():
        return 0
    events = Ledger.open(series.path).events("bench")
    if events[-1].kind != "COMMIT":
        series.problems.append("a model is in place whose charge was not committed")
    return 1


def write_table(path: Path) -> None:
    grades = ("low", "middle", "high")
    rows = (
        f"{secrets.randbelow(100)},{grades[secrets.randbelow(3)]},{secrets.randbelow(2) == 1},{secrets.randbelow(10)}"
        for _ in range(ROWS)
    )
    path.write_text("age,grade,member,visits\n" + "\n".join(rows).lower() + "\n")


def record(arguments: Sequence[str], figures: dict[str, Any], output: Path | None) -> Path:
    """One dated JSON file: figures, versions, and the command that made it."""
    date = dt.datetime.now(dt.UTC).date().isoformat()
    content = {
        "benchmark": "ledger",
        "date": date,
        "command": " ".join(["python bench/ledger.py", *arguments]),
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "architecture": platform.machine()},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("dpsynth", "opendp")},
            "sqlite": sqlite3.sqlite_version,
        },
        "load_average_at_the_end": [round(load, 2) for load in os.getloadavg()],
        "figures": figures,
    }
    target = output or RESULTS / f"ledger-{date}.json"
    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    part.replace(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description="the ledger under contention and under kill -9")
    parser.add_argument("--kills", type=int, default=200, help="fits to kill; 0 leaves this part out")
    parser.add_argument("--draw-kills", type=int, default=50, help="drawing processes to kill")
    parser.add_argument("--output", type=Path, help="where the result goes")
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = {"contention": contention(folder), "draw_kills": draw_kills(folder, settings.draw_kills)}
        if settings.kills:
            figures["fit_kills"] = fit_kills(folder, settings.kills)
    print(json.dumps(figures, indent=2))
    print(f"written: {record(sys.argv[1:], figures, settings.output).name}")


if __name__ == "__main__":
    ROLES = {"--reserve": reserve_many, "--draw": draw_forever}
    if len(sys.argv) > 2 and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](sys.argv[2])
    elif len(sys.argv) > 2 and sys.argv[1] == "--observed-fit":
        observed_fit(sys.argv[2:])
    else:
        main()
