"""``python -m heksher.cli`` is the same as the command ``heksher``."""

from heksher.cli import main

main()
