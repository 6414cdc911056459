"""The peer comparison: environments, runs, page.

    python -m bench.peers setup [PEER ...]                 environments, in DPSYNTH_BENCH_CACHE
    python -m bench.peers run TABLE [--epsilons 0.1,1,10] [--only dpmm/mst,dpsynth/mst] [--fits 5] [--again]
    python -m bench.peers smoke                            a few minutes, from a clean clone
    python -m bench.peers page                             bench/results/peers.md and its plots

Run from the root of the checkout. Tables lie in DPSYNTH_BENCH_DATA.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.peers import cells, environments, page, records, tables
from bench.peers.environments import DPSYNTH, PEERS

EPSILONS = "0.1,1,10"
FITS = 5
SMOKE_RUNS = "dpsynth/auto,dpsynth/mst,dpsynth/independent,dpmm/mst"


def offered() -> dict[str, cells.Task]:
    """Every method of every peer, by the name that ``--only`` uses, without an epsilon."""
    return {
        f"{peer.name}/{method}": cells.Task(peer, method, "")
        for peer in (DPSYNTH, *PEERS.values())
        for method in peer.methods
    }


def planned(only: str | None, epsilons: Sequence[str]) -> list[cells.Task]:
    """The wanted runs whose environment stands; says which are left out and why."""
    known = offered()
    names = only.split(",") if only else list(known)
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no such method: {', '.join(unknown)}; known: {', '.join(known)}")
    tasks = []
    for name in names:
        task = known[name]
        if environments.python(task.peer) is None:
            print(f"{name}: skipped, no environment; make it: python -m bench.peers setup {task.peer.name}")
            continue
        tasks += [cells.Task(task.peer, task.method, cells.decimal(epsilon)) for epsilon in epsilons]
    return tasks


def measured(task: cells.Task, table: str, known: Sequence[records.Record]) -> bool:
    """Whether a peer was run on this table with these versions before, to whatever end. This library always runs."""
    if task.peer is DPSYNTH:
        return False
    now = environments.versions(task.peer)
    wanted = (table, task.peer.name, task.method, task.epsilon)
    return any(records.cell(record) == wanted and record["versions"] == now for record in known)


def say(record: records.Record) -> None:
    """One line about a run."""
    name = f"{record['table']} {record['peer']}/{record['method']} epsilon {record['epsilon'] or '-'}"
    wanted = ("cpu_seconds", "peak_mb", "tvd1", "tvd2", "tvd3", "auc_boosting", "auc_logistic")
    shown = " ".join(f"{key} {record[key]}" for key in wanted if key in record)
    print(f"{name}: {record['outcome']} {shown} {record['reason']}".rstrip(), flush=True)


def run(table: str, tasks: Sequence[cells.Task], *, fits: int, again: bool, target: Path) -> list[records.Record]:
    """Run what is not yet known, one process at a time; each run is on disk before the next one starts."""
    split = tables.load(table)
    if split is None:
        print(f"skipped: {tables.DATA_VARIABLE} names no folder with {tables.SOURCES[table].file}")
        return []
    if environments.python(environments.SCORER) is None and split.target:
        print("no AUC: the scorer's environment is absent; make it: python -m bench.peers setup")
    batch = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    known = [] if again else records.everything()
    done: list[records.Record] = []
    known_references = {record["method"] for record in known if record["table"] == table and not record["epsilon"]}
    for kind in cells.REFERENCES:
        if kind not in known_references:
            done.append(cells.reference(kind, split, batch))
            records.append(target, done[-1])
            say(done[-1])
    for task in tasks:
        if measured(task, table, known):
            print(f"{table} {task.peer.name}/{task.method} epsilon {task.epsilon}: known already (--again repeats it)")
            continue
        if task.method.endswith("-target") and split.target is None:
            print(f"{table} {task.peer.name}/{task.method}: skipped, the table has no column to predict")
            continue
        for _ in range(fits if task.peer is DPSYNTH else 1):
            done.append(cells.run(task, split, batch))
            records.append(target, done[-1])
            say(done[-1])
    return done


def smoke() -> None:
    """A small comparison whose results are printed and not kept; fails unless every run finished."""
    environments.make_all(["dpmm"])
    with tempfile.TemporaryDirectory(prefix="dpsynth-bench-") as folder:
        target = Path(folder) / "smoke.jsonl"
        done = run(tables.SMOKE, planned(SMOKE_RUNS, ["1"]), fits=1, again=True, target=target)
        print("\n".join(page.table(records.results(records.read([target])), tables.SMOKE)))
    finished = {f"{record['peer']}/{record['method']}" for record in done if record["outcome"] == "finished"}
    if missing := set(SMOKE_RUNS.split(",")) - finished:
        sys.exit(f"not finished: {', '.join(sorted(missing))}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="dpsynth beside its peers")
    parser.add_argument("--cache", help=f"folder of the environments (default: {environments.CACHE_VARIABLE})")
    words = parser.add_subparsers(dest="word", required=True)
    setup = words.add_parser("setup", help="make the environments")
    setup.add_argument("peers", nargs="*", help=f"any of {', '.join(PEERS)}; default: all light ones")
    runs = words.add_parser("run", help="run and score; adds lines to bench/results")
    runs.add_argument("table", choices=list(tables.SOURCES))
    runs.add_argument("--epsilons", default=EPSILONS)
    runs.add_argument("--only", help="PEER/METHOD,...")
    runs.add_argument("--fits", type=int, default=FITS, help="fits of each method of dpsynth (peers: one)")
    runs.add_argument("--again", action="store_true", help="also what is known already")
    words.add_parser("smoke", help="a small comparison, nothing kept")
    words.add_parser("page", help="write bench/results/peers.md")
    chosen = parser.parse_args()
    if chosen.cache:
        os.environ[environments.CACHE_VARIABLE] = chosen.cache
    if chosen.word == "setup":
        environments.make_all(chosen.peers)
    elif chosen.word == "run":
        tasks = planned(chosen.only, chosen.epsilons.split(","))
        run(chosen.table, tasks, fits=chosen.fits, again=chosen.again, target=records.today())
    elif chosen.word == "smoke":
        smoke()
    else:
        print("\n".join(f"written: {path.name}" for path in page.write(records.everything())))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
