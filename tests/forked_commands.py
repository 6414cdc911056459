"""``dpsynth`` for many shells at little cost: each command is a fork of one process that has imported everything.

A command is a process of its own with the arguments, the folder, the environment and the three streams of its caller,
and ends with the code of ``dpsynth.__main__.main``; only the second that its imports would take is saved. What starts
in another way than by the script that ``commands`` writes is tested elsewhere (``test_examples``, ``test_packaging``).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SCRIPT = """\
#!/bin/sh
exec '{python}' -IS '{client}' '{address}' "$@"
"""
CLIENT = """\
import json, os, socket, sys

server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
told = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(told).to_bytes(4, "big")], [0, 1, 2])
server.sendall(told)
os._exit((server.recv(1) or b"\\x86")[0])
"""
IMPORTED = (
    "dpsynth.cli.main dpsynth.pipeline.fit dpsynth.pipeline.sample dpsynth.pipeline.evaluate dpsynth.models "
    "numpy pandas pyarrow.csv pyarrow.parquet scipy.optimize scipy.stats networkx opendp.prelude rich.console yaml"
)
"""What commands import; one that needs more imports it itself."""


@contextlib.contextmanager
def commands() -> Iterator[Path]:
    """A folder to put before all others on the path, with a script ``dpsynth`` that works until the end."""
    with tempfile.TemporaryDirectory() as name, _served(Path(name)) as folder:
        yield folder


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[Path]:
    address, client, script = folder / "socket", folder / "client.py", folder / "bin" / "dpsynth"
    script.parent.mkdir()
    client.write_text(CLIENT, encoding="utf-8")
    script.write_text(SCRIPT.format(python=sys.executable, client=client, address=address), encoding="utf-8")
    script.chmod(0o755)
    words = [sys.executable, __file__, str(address)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield script.parent


def serve(address: str) -> None:
    """Forks for every caller, until stdin ends: with the process that started this one, however that ends."""
    for name in IMPORTED.split():
        __import__(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                run(caller)
            caller.close()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def run(caller: socket.socket) -> None:
    """One command; never returns."""
    length, streams, _, _ = socket.recv_fds(caller, 4, 3)
    with caller.makefile("rb") as rest:
        arguments, folder, environment = json.loads(rest.read(int.from_bytes(length, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["dpsynth", *arguments]
    caller.sendall(bytes([code_of_main()]))
    os._exit(0)


def code_of_main() -> int:
    from dpsynth.__main__ import main

    code: str | int | None = None
    try:
        main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve(sys.argv[1])
