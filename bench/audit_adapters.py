"""Other libraries under the black-box game of ``dpsynth audit mechanism`` (T3): one row that nobody resembles.

Each library runs in an environment of its own (``python -m bench.peers setup``); one that is not there is skipped with
a line. It is told the public sizes of the columns where it can be, and how many rows to draw; it is audited as it is,
against the most right guesses that (epsilon, delta) allows anybody, (e^ε + δ)/(1 + e^ε). A FAIL is wrong at most once
in a million games; a PASS says that this attacker found nothing, and the ceiling what he could have shown.

Run: python bench/audit_adapters.py [--trials N] [--epsilon E] [--libraries NAME ...].
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.peers import environments
from bench.peers.runners.request import Request

from dpsynth.audit.game import Claim
from dpsynth.pipeline.audit_end_to_end import COLUMNS, Release, end_to_end
from dpsynth.privacy.conversions import budget_of
from dpsynth.privacy.governor import Governor

HERE = Path(__file__).resolve().parent
DELTA = Fraction(1, 10**5)
ROWS = 200
"""Rows that every library is asked for."""
FEWEST = 20
"""Guesses of a game, at least."""
GAMES = {
    "dpsynth": "mst",
    "dpmm": "mst",
    "opendp": "mst",
    "smartnoise": "mst",
    "datasynthesizer": "privbayes",
}


def claim(epsilon: Fraction) -> Claim:
    """What any (epsilon, delta)-private mechanism allows."""
    e = math.exp(float(epsilon))
    return Claim("(epsilon, delta)", (e + float(DELTA)) / (1 + e), None, None)


@contextmanager
def adapter(library: str, method: str, epsilon: Fraction) -> Iterator[Release]:
    """The library as a function from CSV to synthetic CSV, one process for all calls.

    Raises ``RuntimeError`` with the library's own words when it fails.
    """
    peer = environments.DPSYNTH if library == "dpsynth" else environments.PEERS[library]
    python = environments.python(peer)
    command = [str(python), "-W", "ignore", "serve.py", peer.runner.stem]
    rho = float(Governor.ZCDP.amount(budget_of(epsilon, DELTA, Governor.ZCDP)))
    with (
        tempfile.TemporaryDirectory() as name,
        (Path(name) / "messages").open("w") as messages,
        subprocess.Popen(
            command, cwd=peer.runner.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages, text=True
        ) as process,
    ):
        folder = Path(name)
        request = Request(
            method, str(folder / "table.csv"), str(folder / "out.csv"), dict.fromkeys(COLUMNS, 2), ROWS,
            float(epsilon), float(DELTA), rho,
        )  # fmt: skip
        (folder / "request.json").write_text(json.dumps(asdict(request)), encoding="utf-8")

        def answered() -> str:
            assert process.stdout is not None  # noqa: S101 (it is a pipe)
            return process.stdout.readline().strip()

        def release(source: Path, target: Path) -> None:
            _coded(source, folder / "table.csv")
            # Every release is a world of its own: dpsynth's runner would be refused a second fit of one population.
            (folder / "ledger.db").unlink(missing_ok=True)
            assert process.stdin is not None  # noqa: S101 (it is a pipe)
            try:
                process.stdin.write(f"{folder / 'request.json'}\n")
                process.stdin.flush()
            except BrokenPipeError:
                raise RuntimeError("the process ended") from None
            if (answer := answered()) != "done":
                raise RuntimeError(answer or "the process ended")
            _decoded(folder / "out.csv", target)

        if answered() != "ready":
            raise RuntimeError("the library does not start")
        try:
            yield release
        finally:
            process.kill()


def _coded(source: Path, target: Path) -> None:
    with source.open(encoding="utf-8") as file:
        rows = [[int(row[name] == "rare") for name in COLUMNS] for row in csv.DictReader(file)]
    text = "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)])
    target.write_text(text + "\n", encoding="utf-8")


def _decoded(source: Path, target: Path) -> None:
    with source.open(encoding="utf-8") as file:
        cells = [row[name] for row in csv.DictReader(file) for name in COLUMNS]
    target.write_text(
        "\n".join("rare" if cell in ("1", "1.0") else "common" for cell in cells) + "\n", encoding="utf-8"
    )


def _affordable(release: Release, trials: int, seconds: float, crowd: int) -> int:
    """How many guesses the time allows; ``RuntimeError`` when too few would say anything."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "in.csv"
        source.write_text(",".join(COLUMNS) + "\n" + "common,common,common\n" * crowd, encoding="utf-8")
        release(source, Path(name) / "out.csv")
        began = time.monotonic()
        release(source, Path(name) / "out.csv")
    each = time.monotonic() - began
    possible = min(trials, int(seconds / (1.5 * each)))
    if possible < FEWEST:
        raise RuntimeError(f"too slow for a game: {each:.0f} seconds a release of {crowd} rows")
    return possible


def audited(library: str, method: str, epsilon: Fraction, *, trials: int, seconds: float, crowd: int) -> dict[str, Any]:
    """The game of one library, or the words in which it failed."""
    peer = environments.DPSYNTH if library == "dpsynth" else environments.PEERS[library]
    began = time.monotonic()
    record: dict[str, Any] = {"library": library, "method": method, "versions": environments.versions(peer)}
    try:
        with adapter(library, method, epsilon) as release:
            trials = _affordable(release, trials, seconds, crowd)
            rng = np.random.default_rng(1)
            promise, delta = claim(epsilon), float(DELTA)
            game = end_to_end(release, promise, trials=trials, delta=delta, crowd=crowd, target=1, rng=rng)
    except RuntimeError as error:
        return {**record, "error": str(error)}
    return {**record, **game.to_dict(), "seconds": round(time.monotonic() - began, 1)}


def main() -> None:
    """Play with every library that is installed; write the dated result; print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=300, help="for each library")
    parser.add_argument("--crowd", type=int, default=100)
    parser.add_argument("--epsilon", type=Fraction, default=Fraction(1))
    parser.add_argument("--libraries", nargs="+", choices=list(GAMES), default=list(GAMES))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    games = []
    for library in options.libraries:
        peer = environments.DPSYNTH if library == "dpsynth" else environments.PEERS[library]
        if environments.python(peer) is None:
            print(f"{library:16} skipped: not installed; python -m bench.peers setup {library}", flush=True)
            continue
        games.append(
            audited(
                library,
                GAMES[library],
                options.epsilon,
                trials=options.trials,
                seconds=options.seconds,
                crowd=options.crowd,
            )
        )
        one = games[-1]
        said = one.get("error") or f"{one['verdict']}  {one['correct']} of {one['trials']} right"
        print(f"{library:16} {GAMES[library]:10} {said}", flush=True)
        # After every game: the next library may take an hour, or this process with it.
        _write(options, games)


def _write(options: argparse.Namespace, games: list[dict[str, Any]]) -> None:
    sizes = f"--epsilon {float(options.epsilon):g} --trials {options.trials} --seconds {options.seconds:g}"
    record = {
        "command": f"python bench/audit_adapters.py {sizes} --libraries {' '.join(options.libraries)}",
        "date": datetime.now(UTC).date().isoformat(),
        "epsilon": float(options.epsilon),
        "delta": float(DELTA),
        "allowed": claim(options.epsilon).most_accurate,
        "games": games,
    }
    default = HERE / "results" / f"audit_adapters-{datetime.now(UTC).date()}.json"
    (options.output or default).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
