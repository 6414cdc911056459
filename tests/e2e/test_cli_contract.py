"""What every command promises: help with examples, one JSON object, exit codes, settings, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from dpsynth.cli.command import Documented
from dpsynth.cli.main import APPLICATION, ENTRIES
from dpsynth.cli.settings import KEYS

HEAVY = ("numpy", "pandas", "pyarrow", "scipy", "opendp", "networkx", "rich", "pydantic", "yaml")


def leaves() -> list[tuple[str, ...]]:
    return [
        (name, *rest)
        for name, entry in ENTRIES.items()
        for rest in ([(child,) for child in entry.entries] if entry.entries else [()])
    ]


def load(path: tuple[str, ...]) -> click.Command:
    group: click.Command = APPLICATION
    for name in path:
        assert isinstance(group, click.Group)
        found = group.get_command(click.Context(group), name)
        assert found is not None
        group = found
    return group


@pytest.fixture(autouse=True)
def fresh_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, list(arguments))


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", leaves(), ids=" ".join)
def test_every_command_documents_itself(path: tuple[str, ...]) -> None:
    command = load(path)
    assert isinstance(command, Documented)
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert all(f"dpsynth {' '.join(path)}" in " ".join(example.split()) for example in command.examples)
    assert "--json" in result.stdout
    undocumented = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not undocumented


@pytest.mark.parametrize("path", leaves(), ids=" ".join)
def test_an_unknown_option_is_one_message_that_names_the_nearest(path: tuple[str, ...]) -> None:
    result = run(*path, "--jsn")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "--json" in result.stderr
    assert len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize("path", [(), ("schema",), ("ledger",)], ids=str)
def test_a_bare_group_prints_its_help(path: tuple[str, ...]) -> None:
    result = run(*path)
    assert result.exit_code == 0
    assert "Commands:" in result.stdout


@pytest.mark.parametrize(("path", "near"), [(("fti",), "fit"), (("ledger", "shwo"), "show")], ids=str)
def test_an_unknown_command_names_the_nearest(path: tuple[str, ...], near: str) -> None:
    result = run(*path)
    assert result.exit_code == 2
    assert f"did you mean {near}?" in result.stderr


def test_usage_errors_are_one_json_object_on_stdout() -> None:
    result = run("plan", "--epsilon", "0", "--schema", "s.yaml", "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 2
    assert result.stderr == ""
    assert {"schema_version": 1, "command": "plan", "ok": False}.items() <= said.items()
    assert said["error"]["code"] == "usage"
    assert said["error"]["where"] == "--epsilon"
    assert set(said) == {"schema_version", "command", "ok", "error"}
    assert set(said["error"]) == {"code", "where", "message", "hint"}


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["sample", "--help"], ["ledger", "--help"]], ids=str)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from dpsynth.cli.main import APPLICATION; "
        f"APPLICATION.main({words!r}, standalone_mode=False); "
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = python("-c", code)
    assert done.stderr.strip() == "[]"


def test_module_and_version() -> None:
    done = python("-m", "dpsynth", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("dpsynth ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_DPSYNTH_COMPLETE" in result.stdout
    assert json.loads(run("completion", shell, "--json").stdout)["result"]["shell"] == shell


def test_completion_completes_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DPSYNTH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "dpsynth ledger sh")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert "plain,show" in run().stdout
    monkeypatch.setenv("COMP_WORDS", "dpsynth fit --eps")
    assert "plain,--epsilon" in run().stdout


def test_every_setting_is_an_option_of_some_command() -> None:
    used = {param.envvar for path in leaves() for param in load(path).params if param.envvar}
    assert used == {"DPSYNTH_" + key.replace("-", "_").upper() for key in KEYS}


def price(*arguments: str) -> str:
    """Where the refused epsilon of a plan came from."""
    said = json.loads(run("plan", "--schema", "absent.yaml", "--json", *arguments).stdout)
    return str(said["error"]["where"])


def test_flag_beats_environment_beats_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dpsynth.yaml").write_text("epsilon: -3\n")
    assert price() == "dpsynth.yaml, epsilon"
    monkeypatch.setenv("DPSYNTH_EPSILON", "-2")
    assert price() == "DPSYNTH_EPSILON"
    assert price("--epsilon", "-1") == "--epsilon"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epsilno: 1\n", "Did you mean epsilon?"),
        ("epsilon: 1\nepsilon: 2\n", "set twice"),
        ("epsilon: [1, 2]\n", "one plain value"),
        ("- epsilon\n", "'name: value' lines"),
        ("epsilon: 'x\n", "not YAML"),
    ],
)
def test_a_malformed_settings_file_is_a_usage_error(text: str, message: str) -> None:
    Path("dpsynth.yaml").write_text(text)
    result = run("ledger", "show")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "dpsynth.yaml" in result.stderr
    assert run("ledger", "show", "--help").exit_code == 0


def test_quiet_and_json_do_not_mix_streams() -> None:
    loud = run("ledger", "create", "p", "--epsilon", "1", "--delta", "1e-9")
    assert loud.stdout == ""
    assert "Created pool 'p'" in loud.stderr
    quiet = run("ledger", "create", "q", "--epsilon", "1", "--delta", "1e-9", "--quiet")
    assert (quiet.stdout, quiet.stderr, quiet.exit_code) == ("", "", 0)
    machine = run("ledger", "create", "r", "--epsilon", "1", "--delta", "1e-9", "--json")
    assert machine.stderr == ""
    assert json.loads(machine.stdout)["result"]["name"] == "r"


def test_a_closed_pipe_is_quiet() -> None:
    nobody_reads, output = os.pipe()
    os.close(nobody_reads)
    done = subprocess.run(
        [sys.executable, "-m", "dpsynth", "--help"], stdout=output, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(output)
    assert done.returncode == 1
    assert done.stderr == ""


def test_names_that_the_terminal_cannot_show_do_not_stop_a_command() -> None:
    field = {"name": "größe", "type": "boolean", "dpsynth": {"source": "public"}}
    Path("s.yaml").write_text(json.dumps({"dpsynth": {"version": 1, "name": "maß"}, "fields": [field]}))
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    for words in (("schema", "check", "s.yaml"), ("plan", "-s", "s.yaml", "--epsilon", "1", "--json")):
        done = subprocess.run(
            [sys.executable, "-m", "dpsynth", *words], capture_output=True, text=True, check=False, env=ascii_only
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_a_fit_shows_no_time_left_on_a_terminal(monkeypatch):
    import rich.progress

    from dpsynth.cli.command import Output
    from dpsynth.cli.progress import progress

    shown = []

    class Recording(rich.progress.Progress):
        def __init__(self, *columns, **options):
            shown.append({type(column).__name__ for column in columns})
            super().__init__(*columns, **options)

    monkeypatch.setattr(rich.progress, "Progress", Recording)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    for over_rows in (True, False):
        with progress(Output("fit", as_json=False, quiet=False), over_rows=over_rows) as report:
            report("counting", 0.5)
    assert "TimeRemainingColumn" not in shown[0]
    assert "TimeRemainingColumn" in shown[1]
