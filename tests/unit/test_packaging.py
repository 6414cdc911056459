"""The wheel and the sdist: built and installed without a network into an environment that does not know the checkout.

The environment is a fresh one that borrows the libraries of this one through a path file; path files are not
followed twice, so the editable installation of this checkout is out of its sight.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def call(*words: str | Path, cwd: Path) -> str:
    run = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("dpsynth-*.whl"))


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    return next(built.glob("dpsynth-*.tar.gz"))


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    def install_into_new_environment(archive: Path) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
        python = folder / "venv" / "bin" / "python"
        site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
        (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        offline = ("--no-deps", "--no-index", "--no-build-isolation", "--no-compile", "--force-reinstall")
        call(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *offline, archive, cwd=folder)
        return folder / "venv"

    return install_into_new_environment


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_installed_archive_works(kind: str, request: pytest.FixtureRequest, install: Callable[[Path], Path]) -> None:
    environment = install(request.getfixturevalue(kind))
    folder = environment.parent
    assert call(environment / "bin" / "dpsynth", "--version", cwd=folder) == f"dpsynth {PROJECT['version']}\n"
    assert "schema init" in call(environment / "bin" / "python", "-m", "dpsynth", "--help", cwd=folder)
    script = (
        "import dpsynth, pathlib\n"
        "folder = pathlib.Path(dpsynth.__file__).parent\n"
        "assert (folder / 'py.typed').is_file()\n"
        "assert list(folder.rglob('*.csv.gz')), 'the data of the demo'\n"
        "for name in dpsynth.__all__:\n    getattr(dpsynth, name)\n"
        "print(folder)\n"
    )
    assert Path(call(environment / "bin" / "python", "-c", script, cwd=folder).strip()).is_relative_to(environment)


def test_the_wheel_holds_the_package_and_its_notices_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    information = f"dpsynth-{PROJECT['version']}.dist-info/"
    assert all(name.startswith(("dpsynth/", information)) for name in names)
    assert {f"{information}licenses/LICENSE", f"{information}licenses/NOTICE", "dpsynth/py.typed"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
    sources = {f"dpsynth/{path.relative_to(ROOT / 'src/dpsynth').as_posix()}" for path in python_files()}
    assert sources <= set(names)
    assert wheel.stat().st_size < 2_000_000


def test_the_sdist_holds_what_a_distributor_needs(sdist: Path) -> None:
    prefix = f"dpsynth-{PROJECT['version']}/"
    with tarfile.open(sdist) as archive:
        names = {name.removeprefix(prefix) for name in archive.getnames()}
    wanted = {"pyproject.toml", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "NOTICE", "Makefile", ".ci/run"}
    wanted |= {"tests/conftest.py", "docs/conf.py", "audits/noise_laws.py", "src/dpsynth/py.typed"}
    assert wanted <= names
    assert not [name for name in names if re.search(r"(^|/)(\.git|\.venv|_build|__pycache__)/", name)]


def test_dependencies_are_those_that_are_imported() -> None:
    """Nothing is imported that is not declared, and nothing is declared that is not imported."""
    imported = set()
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    homes = packages_distributions()
    needed = {homes[name][0].lower() for name in imported - sys.stdlib_module_names - {"dpsynth"} if name in homes}
    declared = {re.split(r"[<>=!~ \[]", requirement)[0].lower() for requirement in PROJECT["dependencies"]}
    optional = {"polars", "faker"}
    assert needed - optional == declared


def test_every_dependency_has_a_lower_bound() -> None:
    assert not [requirement for requirement in PROJECT["dependencies"] if ">=" not in requirement]


def python_files() -> list[Path]:
    return sorted((ROOT / "src" / "dpsynth").rglob("*.py"))
