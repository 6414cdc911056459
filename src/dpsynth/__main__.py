"""``dpsynth`` and ``python -m dpsynth``: the command line, and the answer to an interrupt before it is loaded."""

import sys


def main() -> None:
    """Loads and runs the command line; never returns."""
    try:
        from dpsynth.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("Error: interrupted; nothing was begun\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
