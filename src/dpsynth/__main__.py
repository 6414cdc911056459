"""``python -m dpsynth``: the command line."""

from dpsynth.cli.main import main

if __name__ == "__main__":
    main()
