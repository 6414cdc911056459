"""Ctrl-C, a full disk and a closed pipe, met in every stage: 130 or 1, files intact, budget as documented."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION
from dpsynth.ledger import Ledger, Transaction
from dpsynth.models import Model
from dpsynth.pipeline import fit as journey

SCHEMA = """\
dpsynth: {version: 1, name: people, unit: row}
fields:
  - name: sex
    type: string
    constraints: {enum: [Female, Male]}
    dpsynth: {source: public}
  - name: age
    type: integer
    constraints: {minimum: 0, maximum: 119}
    dpsynth: {source: public, bins: {width: 10}}
"""
FIT = ("fit", "people.csv", "--schema", "schema.yaml", "--epsilon", "1", "-o", "model.dps")


@pytest.fixture(autouse=True)
def heard_signals() -> Iterator[None]:
    """A test run in the background ignores SIGINT, and so would its children: here it is heard."""
    original = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, original)


@pytest.fixture(autouse=True)
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("schema.yaml").write_text(SCHEMA)
    Path("people.csv").write_text("sex,age\n" + "Female,30\nMale,40\n" * 50)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def interrupt_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """The next call of ``owner.name`` meets a real SIGINT first."""
    original = getattr(owner, name)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)


BEFORE = [(journey, "load_schema"), (journey, "open_table"), (Ledger, "ensure"), (Ledger, "reserve")]
UNTOUCHED = [(Transaction, "touch")]
TOUCHED = [(Transaction, "draw"), (Model, "write"), (Transaction, "commit")]


def label(stage: tuple[Any, str]) -> str:
    return stage[1]


@pytest.mark.parametrize("stage", [*BEFORE, *UNTOUCHED, *TOUCHED], ids=label)
def test_an_interrupted_fit(stage: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        interrupt_at(patched, *stage)
        result = run(*FIT)
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert "Traceback" not in result.output
    assert sorted(path.name for path in Path().iterdir()) == ["people.csv", "schema.yaml"]
    pools = Ledger.open().pools()
    assert all(pool.live == () for pool in pools)
    charged = sum(pool.charged.rho for pool in pools)
    if stage in TOUCHED:
        assert charged == pools[0].forfeited.rho == pools[0].cap.rho
    else:
        assert charged == 0
    assert run("ledger", "verify").exit_code == (0 if pools else 8)
    later = run(*FIT)
    assert later.exit_code == (4 if charged else 0)


def test_an_interrupted_sample_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(*FIT).exit_code == 0
    before = sorted(path.name for path in Path().iterdir())
    with monkeypatch.context() as patched:
        interrupt_at(patched, Model, "sample_batches")
        result = run("sample", "model.dps", "-o", "out.csv")
    assert result.exit_code == 130
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_full_disk_leaves_no_file_and_one_message() -> None:
    """A limit on the size of files stands for the end of the disk."""
    assert run(*FIT).exit_code == 0
    before = sorted(path.name for path in Path().iterdir())
    command = f"ulimit -f 64; exec {sys.executable} -m dpsynth sample model.dps -n 200000 -o out.csv"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "disk is full" in done.stderr
    assert sorted(path.name for path in Path().iterdir()) == before


@pytest.mark.parametrize("rows", [1, 50_000], ids=["within the buffer", "beyond it"])
def test_a_full_stdout_is_one_message(rows: int) -> None:
    assert run(*FIT).exit_code == 0
    command = f"exec {sys.executable} -m dpsynth sample model.dps -n {rows} -o - > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error_to_tell() -> None:
    assert run(*FIT).exit_code == 0
    command = f"{sys.executable} -m dpsynth sample model.dps -n 300000 -o - | head -n 2"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("sex,age\n")
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_real_signal_to_a_real_process(number: signal.Signals) -> None:
    """The command reads a table that never ends: it has begun when more is gone than a pipe can hold."""
    words = [sys.executable, "-m", "dpsynth", "fit", "-", *FIT[2:]]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write("sex,age\n" + "Female,30\n" * 100_000)
        process.stdin.flush()
        process.send_signal(number)
        process.wait(timeout=60)
        assert process.stderr
        stderr = process.stderr.read()
        process.stdin.close()
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert sorted(path.name for path in Path().iterdir()) == ["people.csv", "schema.yaml"]
    (pool,) = Ledger.open().pools()
    assert pool.live == ()
    assert pool.forfeited.rho == pool.cap.rho


def test_ctrl_c_while_the_command_line_is_loaded_is_one_line() -> None:
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'dpsynth.cli.main':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from dpsynth.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "Error: interrupted; nothing was begun\n"
    assert done.stdout == ""
