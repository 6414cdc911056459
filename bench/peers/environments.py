"""The peers, their methods, and an environment of its own for each, made by one command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE_VARIABLE = "DPSYNTH_BENCH_CACHE"
VERSIONS = (
    "import importlib.metadata as m, json, platform, sys\n"
    "found = {name: m.version(name) for name in sys.argv[1:]}\n"
    "print(json.dumps({'python': platform.python_version(), **found}))\n"
)


@dataclass(frozen=True)
class Peer:
    """A library to compare with: what pip installs, which methods its runner knows, which versions a result states.

    ``heavy`` environments are made only when they are named.
    """

    name: str
    methods: tuple[str, ...]
    requirements: tuple[str, ...]
    versions: tuple[str, ...]
    disk_gb: float
    heavy: bool = False

    @property
    def runner(self) -> Path:
        """The script that runs inside the environment."""
        return HERE / "runners" / f"run_{self.name}.py"


DPSYNTH = Peer(
    "dpsynth",
    ("auto", "auto-fast", "auto-target", "aim", "aim-pairs", "mst", "privbayes", "independent"),
    (),
    ("dpsynth", "opendp", "numpy", "scipy"),
    0,
)
"""This library: runs in the environment of the harness. ``direct`` is left out: its marginals are the user's choice."""

PEERS = {
    peer.name: peer
    for peer in (
        Peer("dpmm", ("mst", "privbayes", "aim"), ("dpmm==0.1.9",), ("dpmm", "opendp", "numpy"), 0.6),
        Peer(
            "opendp",
            ("mst", "mst-rounded", "aim"),
            ("opendp[mbi]==0.16.0", "pandas<3"),
            ("opendp", "mbi", "jax", "numpy"),
            1.5,
        ),
        Peer(
            "datasynthesizer",
            ("privbayes",),
            ("DataSynthesizer==0.1.13", "pandas<3", "numpy<2"),
            ("DataSynthesizer", "numpy"),
            0.6,
        ),
        Peer(
            "smartnoise",
            ("mst", "aim"),
            ("smartnoise-synth==1.0.8",),
            ("smartnoise-synth", "mbi", "jax", "numpy"),
            7.0,
            heavy=True,
        ),
    )
}
SCORER = Peer("scorer", (), ("scikit-learn>=1.4",), ("scikit-learn", "numpy"), 0.4)
"""The environment that trains classifiers on synthetic rows."""


def cache() -> Path:
    """The folder of the environments: ``DPSYNTH_BENCH_CACHE``, else ``dpsynth-bench`` in the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named).expanduser() if named else Path(shared) / "dpsynth-bench"


def python(peer: Peer) -> Path | None:
    """The interpreter of a peer's environment; ``None`` while it was not made."""
    if peer is DPSYNTH:
        return Path(sys.executable)
    folder = cache() / peer.name
    return folder / "bin" / "python" if (folder / ".installed").exists() else None


def versions(peer: Peer) -> dict[str, str]:
    """The versions that a result states: of Python and of the libraries that do the work."""
    command = [str(python(peer)), "-c", VERSIONS, *peer.versions]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def make(peer: Peer) -> str:
    """Make the environment unless it stands; what happened, in words. Never raises for a failed installation."""
    if python(peer) is not None:
        return f"{peer.name}: stands"
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free / 1e9
    if free < peer.disk_gb * 1.2:
        return f"{peer.name}: skipped, needs {peer.disk_gb} GB of disk and {free:.1f} GB are free"
    print(f"{peer.name}: installing {' '.join(peer.requirements)} ({peer.disk_gb} GB) ...", flush=True)
    target = folder / peer.name
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", "--clear", str(target)], [*pip, *peer.requirements]):
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            shutil.rmtree(target, ignore_errors=True)
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            return f"{peer.name}: skipped, not installed: {lines[-1]}"
    (target / ".installed").write_text("\n".join(peer.requirements) + "\n", encoding="utf-8")
    return f"{peer.name}: made"


def make_all(names: list[str]) -> None:
    """Make the named environments, or all light ones, and the scorer's; say what happened to each."""
    wanted = [PEERS[name] for name in names] or [peer for peer in PEERS.values() if not peer.heavy]
    for peer in (*wanted, SCORER):
        print(make(peer), flush=True)
    for peer in PEERS.values():
        if not names and peer.heavy and python(peer) is None:
            print(f"{peer.name}: left out ({peer.disk_gb} GB); make it: python -m bench.peers setup {peer.name}")
