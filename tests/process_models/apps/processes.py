"""A program that has work done by other processes, with ``multiprocessing`` and ``concurrent.futures``.

Its argument is the start method. Whatever that is, ``start_client`` may be called in each process: where the client
runs already, because the process was forked from one that has it, the call does nothing.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import heksher
from tests.process_models.apps.reporting import report

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.ThreadHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
)


def start_client():
    client.set_as_main()


def work(_number=0):
    report(lambda: cache_ttl.get(user="guest"))


def start_and_work():
    start_client()
    work()


def main(method):
    context = multiprocessing.get_context(method)
    # Forked processes need neither: the client goes on in them by itself.
    target, initializer = (work, None) if method == "fork" else (start_and_work, start_client)
    process = context.Process(target=target)
    process.start()
    with context.Pool(2, initializer) as pool, ProcessPoolExecutor(2, context, initializer) as executor:
        results = pool.map_async(work, range(2), chunksize=1)
        futures = [executor.submit(work) for _ in range(2)]
        work()
        results.get()
        for future in futures:
            future.result()
        pool.close()
        pool.join()
    process.join()
    sys.exit(process.exitcode)


if __name__ == "__main__":
    with client:
        main(sys.argv[1])
