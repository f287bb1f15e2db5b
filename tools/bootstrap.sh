#!/bin/sh
# Find a Python that can build the project's environment, and let it do so: see bootstrap.py for the arguments.
#
# The machine's own python3 comes first: it is what people expect to be used. PYTHON=... names another one.

here=$(dirname "$0")
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
    # Debian splits ensurepip from Python, so its absence is as common as an old version. The candidate is run rather
    # than looked up: a version manager may leave a python3.13 on PATH that only prints why it does not work.
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        exec "$candidate" "$here/bootstrap.py" "$@"
    fi
done

cat >&2 <<END
No Python that can build the environment was found among: ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}
What is needed is Python 3.11 or newer with the modules venv and ensurepip (on Debian and Ubuntu: the package
python3-venv). Name one that is elsewhere with: make PYTHON=/path/to/python
END
exit 1
