"""One runner for many requests, in one process: paths of requests on standard input, an answer to each on output.

Run: python serve.py RUNNER. After each request it prints ``done``, or ``failed`` and the kind of error.
"""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr
    runner = importlib.import_module(sys.argv[1])
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        sys.argv = [sys.argv[0], line.strip()]
        try:
            runner.main()
        except (Exception, SystemExit) as error:
            print(f"failed {type(error).__name__}: {' '.join(str(error).split())[:300]}", file=answers, flush=True)
        else:
            print("done", file=answers, flush=True)


if __name__ == "__main__":
    main()
