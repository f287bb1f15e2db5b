"""A program that writes a file of last known values without pause, to be killed: ``python -m ... PATH NUMBER``.

What it writes differs from one write to the next, and, as each process is given another number, from process to
process. It prints a line when it has written for the first time.
"""

import itertools
import sys

from heksher.clients.offline.last_known_file import LastKnownFile
from tests.support.saved_states import make_large_state


def main(path: str, first: str) -> None:
    file = LastKnownFile(path)
    for number in itertools.count(int(first)):
        file.write(make_large_state(number))
        if number == int(first):
            sys.stdout.write("writing\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
