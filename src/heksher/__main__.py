"""``python -m heksher`` is the same as the command ``heksher``."""

from heksher.cli import main

main()
