"""A program whose processes are forked from a server that has imported the module with the client before."""

import multiprocessing
import sys

from tests.process_models.apps import wsgi
from tests.process_models.apps.reporting import report


def work():
    report(lambda: wsgi.cache_ttl.get(user="guest"))


if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.process_models.apps.wsgi"])
    processes = [context.Process(target=work) for _ in range(2)]
    for process in processes:
        process.start()
    work()
    for process in processes:
        process.join()
    sys.exit(max(process.exitcode for process in processes))
