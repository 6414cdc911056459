"""The peer comparison in bench/peers: what it measures, records and shows; no peer needs to be installed."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.csv
import pytest

from dpsynth.domain import Domain
from dpsynth.metrics import CodedTable
from dpsynth.schema import Schema
from reading import ROOT

sys.path.insert(0, str(ROOT))  # bench/ is no part of the package

from bench.peers import __main__ as commands
from bench.peers import cells, drawing, environments, page, records, scoring, tables

DOMAIN = Domain(("a", "b", "c"), (3, 2, 4))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(environments.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(tables.DATA_VARIABLE, raising=False)


def coded(rows, seed=0):
    generator = np.random.default_rng(seed)
    return CodedTable(DOMAIN, {name: generator.integers(DOMAIN[name], size=rows) for name in DOMAIN})


def record(**changes):
    told = {
        "batch": "2026-01-02T00:00:00+00:00",
        "table": "nltcs",
        "rows": 800,
        "holdout_rows": 200,
        "columns": 16,
        "peer": "dpmm",
        "method": "mst",
        "epsilon": "1",
        "outcome": "finished",
        "reason": "",
        "cpu_seconds": 50.0,
        "peak_mb": 200.0,
        "tvd1": 0.01,
        "tvd2": 0.04,
        "tvd3": 0.1,
        "workload_error": 0.2,
        "versions": {"python": "3.11.0", "dpmm": "0.1.9"},
    }
    return told | changes


def unfinished(**changes):
    told = record(outcome="timed out", cpu_seconds=600.0, **changes)
    return {key: value for key, value in told.items() if key not in {"tvd1", "tvd2", "tvd3", "workload_error"}}


def elements(svg):
    return ET.fromstring(svg).iter()  # noqa: S314 (written by this process)


# --- the watch over a process --------------------------------------------------------------------------------------

BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"


def watch(tmp_path, limit, *command):
    report = tmp_path / "report.json"
    script = environments.HERE / "measured.py"
    subprocess.run([sys.executable, "-S", "-E", script, str(limit), report, *command], check=True)
    return SimpleNamespace(**json.loads(report.read_text()))


@pytest.mark.parametrize(
    ("code", "outcome", "exit_code"), [("pass", "finished", 0), ("raise SystemExit(3)", "crashed", 3)]
)
def test_an_end_is_recorded_as_what_it_was(tmp_path, code, outcome, exit_code):
    cost = watch(tmp_path, 60, sys.executable, "-c", code)
    assert (cost.outcome, cost.exit_code) == (outcome, exit_code)
    assert 0 < cost.cpu_seconds < 60
    assert 1 < cost.peak_mb < 100


def test_the_cpu_time_of_children_counts(tmp_path):
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN.format(0.5)!r}])"
    assert watch(tmp_path, 60, sys.executable, "-c", code).cpu_seconds >= 0.5


def test_a_tree_beyond_its_limit_is_ended_whole(tmp_path):
    mark = tmp_path / "child"
    child = f"import os, pathlib\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n{BURN.format(60)}"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    cost = watch(tmp_path, 1, sys.executable, "-c", code)
    assert cost.outcome == "timed out"
    assert 0.9 <= cost.cpu_seconds < 10
    stat = Path(f"/proc/{mark.read_text()}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


# --- tables ----------------------------------------------------------------------------------------------------------


def test_the_split_is_the_same_for_everybody_and_loses_no_row():
    table = CodedTable(Domain(("a",), (1000,)), {"a": np.arange(1000)})
    one, other = tables.split("x", table, None), tables.split("x", table, None)
    assert (one.train.rows, one.holdout.rows) == (800, 200)
    assert np.array_equal(one.train.columns["a"], other.train.columns["a"])
    assert sorted([*one.train.columns["a"], *one.holdout.columns["a"]]) == list(range(1000))


def test_rows_that_are_no_codes_are_dropped_and_counted(tmp_path):
    path = tmp_path / "synthetic.csv"
    path.write_text("c,a,b\n3,2,1\n4,0,0\n,1,1\n0.0,1.0,0.0\n-1,0,0\n")
    table, dropped = tables.read(DOMAIN, path)
    assert {name: list(codes) for name, codes in table.columns.items()} == {"a": [2, 1], "b": [1, 0], "c": [3, 0]}
    assert dropped == 3


def test_what_is_written_is_read_back(tmp_path):
    table = coded(50)
    tables.write(table, tmp_path / "table.csv")
    again, dropped = tables.read(DOMAIN, tmp_path / "table.csv")
    assert dropped == 0
    assert all(np.array_equal(again.columns[name], table.columns[name]) for name in DOMAIN)


@pytest.mark.parametrize("path", sorted(tables.SCHEMAS.glob("*.yaml")), ids=lambda path: path.stem)
def test_schemas_of_the_bench_may_be_fitted(path):
    schema = Schema.load(path)
    schema.require_fit()
    assert schema.name == path.stem
    assert tables.SOURCES[path.stem].target in schema.domain
    assert schema.domain[tables.SOURCES[path.stem].target] == 2


def test_a_table_with_a_schema_is_read_with_its_own_delimiter(tmp_path, monkeypatch):
    names = Schema.load(tables.SCHEMAS / "arx_adult.yaml").domain.attributes
    cells_of_a_row = "Male;39;White;Never-married;Bachelors;United-States;State-gov;Adm-clerical;<=50K"
    (tmp_path / "arx_adult").mkdir()
    text = "\n".join([";".join(names), *[cells_of_a_row] * 10]) + "\n"
    with pyarrow.output_stream(tmp_path / tables.SOURCES["arx_adult"].file, compression="gzip") as file:
        file.write(text.encode())
    monkeypatch.setenv(tables.DATA_VARIABLE, str(tmp_path))
    split = tables.load("arx_adult")
    assert (split.train.rows, split.holdout.rows) == (8, 2)
    assert split.train.columns["age"][0] == 39 - 17


def test_without_data_a_run_says_so_and_does_nothing(tmp_path, capsys):
    target = tmp_path / "none.jsonl"
    assert commands.run("nltcs", [], fits=1, again=True, target=target) == []
    assert "skipped: DPSYNTH_BENCH_DATA" in capsys.readouterr().out
    assert not target.exists()


# --- scores ----------------------------------------------------------------------------------------------------------


def test_distances_agree_with_each_other():
    split = tables.Split("x", coded(400), coded(100, 1), None)
    found = scoring.distances(split, coded(400, 2))
    assert found["tvd1"] < found["tvd2"] < found["tvd3"]
    assert found["workload_error"] == pytest.approx(2 * found["tvd3"], abs=2e-5)
    assert scoring.distances(split, split.train) == dict.fromkeys(found, 0.0)


def test_missing_rows_count_in_the_workload_error():
    table = coded(400)
    half = tables.take(table, np.arange(200))
    assert scoring.workload_error(table, half) == pytest.approx(0.5)


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split():
    return tables.load(tables.SMOKE)


def test_a_run_of_this_library_is_recorded_whole(split):
    told = cells.run(cells.Task(environments.DPSYNTH, "independent", "1"), split, "now")
    assert told["outcome"] == "finished"
    assert told["synthetic_rows"] == split.train.rows
    assert told["dropped_rows"] == 0
    assert 0 < told["tvd1"] < told["tvd3"] < 1
    assert told["versions"]["dpsynth"]
    assert json.loads(json.dumps(told)) == told


def test_a_crash_is_recorded_with_its_last_words(split):
    told = cells.run(cells.Task(environments.DPSYNTH, "nothing", "1"), split, "now")
    assert told["outcome"] == "crashed"
    assert "unknown method" in told["reason"]
    assert "tvd3" not in told


def test_a_run_beyond_its_limit_is_recorded_without_scores(split, tmp_path, monkeypatch):
    slow = tmp_path / "run_slow.py"
    slow.write_text(BURN.format(60))
    monkeypatch.setattr(environments.Peer, "runner", slow)
    told = cells.run(cells.Task(environments.DPSYNTH, "mst", "1"), split, "now", limit=1)
    assert told["outcome"] == "timed out"
    assert told["cpu_limit_seconds"] == 1
    assert "tvd3" not in told


def test_output_that_is_no_table_is_a_crash(split, tmp_path, monkeypatch):
    odd = tmp_path / "run_odd.py"
    odd.write_text("import pathlib\npathlib.Path('synthetic.csv').write_text('a,b\\n1,2\\n')")
    monkeypatch.setattr(environments.Peer, "runner", odd)
    told = cells.run(cells.Task(environments.DPSYNTH, "mst", "1"), split, "now")
    assert (told["outcome"], told["exit_code"]) == ("crashed", 0)
    assert told["reason"].startswith("its output is no table of codes")


def test_last_words_name_no_folder(tmp_path):
    messages = tmp_path / "messages"
    messages.write_text("first\nFileNotFoundError: '/opt/somewhere/x-1/lib/table.csv' is gone\n\n")
    assert cells._reason(messages) == "FileNotFoundError: 'table.csv' is gone"
    messages.write_text("")
    assert cells._reason(messages) == ""


def test_references_frame_every_method(split):
    told = {kind: cells.reference(kind, split, "now") for kind in cells.REFERENCES}
    assert told["real"]["tvd3"] == 0
    assert told["shuffled"]["tvd1"] == 0
    assert 0 < told["bootstrap"]["tvd3"] < told["shuffled"]["tvd3"]


def test_every_run_is_on_disk_when_it_ends(tmp_path, capsys):
    target = tmp_path / "runs.jsonl"
    task = cells.Task(environments.DPSYNTH, "independent", "1")
    done = commands.run(tables.SMOKE, [task], fits=2, again=True, target=target)
    assert records.read([target]) == done
    assert [one["peer"] for one in done] == ["reference"] * 3 + ["dpsynth"] * 2
    assert capsys.readouterr().out.count("finished") == 5


def test_every_method_is_planned_once_and_absent_environments_are_named(capsys):
    tasks = commands.planned(None, ["1.0", "0.1"])
    assert {(task.peer.name, task.epsilon) for task in tasks} == {("dpsynth", "1"), ("dpsynth", "0.1")}
    said = capsys.readouterr().out
    assert all(
        f"{peer.name}/{method}: skipped" in said for peer in environments.PEERS.values() for method in peer.methods
    )
    with pytest.raises(SystemExit, match="no such method"):
        commands.planned("dpmm/magic", ["1"])


def test_a_peer_is_measured_once_per_set_of_versions(monkeypatch):
    peer = environments.PEERS["dpmm"]
    monkeypatch.setattr(environments, "versions", lambda _: record()["versions"])
    task = cells.Task(peer, "mst", "1")
    assert commands.measured(task, "nltcs", [record()])
    assert commands.measured(task, "nltcs", [unfinished()])
    assert not commands.measured(task, "nltcs", [record(versions={"dpmm": "0.1.8"})])
    assert not commands.measured(task, "bank_full", [record()])
    assert not commands.measured(cells.Task(environments.DPSYNTH, "mst", "1"), "nltcs", [record(peer="dpsynth")])


# --- environments ----------------------------------------------------------------------------------------------------


def test_every_peer_has_its_runner_and_pins_its_version():
    for peer in (*environments.PEERS.values(), environments.DPSYNTH):
        assert peer.runner.is_file()
    assert all("==" in peer.requirements[0] for peer in environments.PEERS.values())


def test_an_environment_that_has_no_room_is_skipped(monkeypatch):
    monkeypatch.setattr(environments.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    peer = environments.PEERS["smartnoise"]
    assert "skipped, needs 7.0 GB" in environments.make(peer)
    assert environments.python(peer) is None


def test_an_environment_that_cannot_be_installed_is_skipped(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    peer = replace(environments.PEERS["dpmm"], requirements=("no-such-package-of-dpsynth==1",), disk_gb=0)
    assert "skipped, not installed" in environments.make(peer)
    assert environments.python(peer) is None
    assert not (environments.cache() / peer.name).exists()


# --- records and page ------------------------------------------------------------------------------------------------


def test_a_line_that_broke_off_is_left_out(tmp_path):
    path = tmp_path / "peers-2026-01-02.jsonl"
    records.append(path, record())
    with path.open("a") as file:
        file.write('{"batch": "2026')
    assert records.read([path]) == [record()]


def test_the_newest_batch_stands_for_a_cell():
    old, new = record(tvd3=0.9), record(batch="2026-01-03T00:00:00+00:00")
    found = records.results([new, old, new | {"tvd3": 0.2}])
    assert len(found) == 1
    (result,) = found.values()
    assert result.mean("tvd3") == pytest.approx(0.15)
    assert records.results([record(), unfinished()])[result.cell].outcome == "timed out"


def test_the_page_shows_what_happened_and_what_is_missing():
    shown = page.text(
        [
            record(),
            unfinished(method="aim"),
            record(peer="opendp", outcome="crashed", reason="insufficient budget"),
            *(record(peer="dpsynth", method=page.DEFAULT_METHOD, tvd3=error) for error in (0.07, 0.08, 0.09)),
        ]
    )
    assert "| 1 | dpmm | AIM | 1 | timed out | 600.0 |" in shown
    assert "crashed (insufficient budget)" in shown
    assert "0.0800 ± 0.0248" in shown
    assert "| NLTCS | 1 | dpmm MST | 0.800 |" in shown
    assert "- NLTCS, smartnoise: everything" in shown
    assert "- NLTCS, dpmm: MST at ε = 0.1, MST at ε = 10, PrivBayes" in shown
    assert "Quoted, not measured here" in shown


def test_plots_are_drawings_with_every_method_once():
    told = [record(epsilon=epsilon, tvd3=error) for epsilon, error in (("0.1", 0.3), ("1", 0.1), ("10", 0.05))]
    told += [
        record(peer="dpsynth", tvd3=0.09),
        unfinished(method="aim"),
        record(peer="reference", method="shuffled", epsilon=None),
    ]
    drawn = page.plots(records.results(told), "nltcs")
    assert set(drawn) == {"peers-nltcs-epsilon.svg", "peers-nltcs-cpu.svg"}
    for text in drawn.values():
        words = [element.text for element in elements(text) if element.tag.endswith("text")]
        assert words.count("dpmm MST") == words.count("dpsynth MST") == 1
        assert "nan" not in text
    assert "dpmm AIM: timed out" in drawn["peers-nltcs-cpu.svg"]
    assert page.plots({}, "nltcs") == {}


def test_labels_do_not_cover_each_other():
    series = tuple(drawing.Series(f"peer number {n}", "#000", "circle", ((1.0, 0.1 + n / 1000),)) for n in range(6))
    text = drawing.draw(drawing.Plot("<t>", "x", "y", series))
    places = [
        (float(element.get("x")), float(element.get("y")))
        for element in elements(text)
        if (element.text or "").startswith("peer number")
    ]
    assert len(places) == 6
    width = len("peer number 0") * drawing.LETTER
    for index, (x, y) in enumerate(places):
        assert all(abs(x - u) >= width or abs(y - v) >= 11 for u, v in places[:index])


def test_recorded_results_name_no_folder_and_are_complete():
    told = records.everything()
    assert told
    for one in told:
        assert "/" not in one["reason"]
        assert (one["outcome"] == "finished") == ("tvd3" in one)
