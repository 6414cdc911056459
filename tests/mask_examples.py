"""A small table, a policy and a key for the tests of ``dpsynth mask``, and ways to call it."""

import re
from pathlib import Path

from click.testing import CliRunner, Result

from dpsynth.cli.main import APPLICATION

CELL = "Zaphod"
KEY = bytes(range(32)).hex()
OTHER = bytes(range(7, 39)).hex()
TABLES = ("patients", "conditions", "medications", "allergies")
POLICY = """\
dpsynth: {version: 1}
fields:
  - {name: id, dpsynth: {role: direct-id, mask: pseudonym}}
  - {name: name, dpsynth: {role: direct-id}}
  - {name: day, dpsynth: {mask: {shift: {days: [-9, 9], by: id}}}}
  - {name: ward, dpsynth: {role: quasi}}
"""
TABLE = f"id,name,day,ward\np1,{CELL},2020-02-28,North\np2,{CELL},2020-03-01,\np1,,,South\n"


def prepare(folder: Path) -> None:
    """Write the table, the policy and the key into a folder."""
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "people.csv").write_text(TABLE)
    (folder / "mask.key").write_text(KEY + "\n")
    (folder / "mask.key").chmod(0o600)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APPLICATION, ["mask", *arguments])


def masked(*arguments: str) -> Result:
    result = run(*arguments, "--policy", "policy.yaml", "--key-file", "mask.key")
    assert result.exit_code == 0, result.output
    return result


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def refused(code: int, message: str, *arguments: str) -> None:
    """This code and one message; nothing appears or changes; no cell and no key is shown."""
    before = contents()
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert re.search(message, result.stderr), result.stderr
    for secret in (CELL, KEY, OTHER, "Traceback", "unexpected"):
        assert secret not in result.output
    assert contents() == before


MASK = ("people.csv", "--policy", "policy.yaml", "--key-file", "mask.key", "-o", "out.csv")
