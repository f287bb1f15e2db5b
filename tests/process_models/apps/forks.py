"""A program that forks, in the way that its argument says, while its client runs.

Every process says what it reads until it is to end. Each way is a function of that name.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable

import heksher
from tests.process_models.apps.reporting import report, say

HANGS_AFTER_S = 30.0

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.ThreadHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
    on_start_failure="raise",
)


def report_reads() -> None:
    report(lambda: cache_ttl.get(user="guest"))


def fork(work: Callable[[], None]) -> int:
    """Have a forked child do something, close the client and end; return its process id."""
    child = os.fork()
    if child == 0:
        work()
        client.close()
        os._exit(0)
    return child


def wait_for(child: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        sys.exit(f"the child ended with {code}")


def in_the_main_thread() -> None:
    client.set_as_main()
    child = fork(report_reads)
    report_reads()
    wait_for(child)


def in_another_thread() -> None:
    client.set_as_main()
    children: list[int] = []
    thread = threading.Thread(target=lambda: children.append(fork(report_reads)))
    thread.start()
    thread.join()
    report_reads()
    wait_for(children[0])


def of_a_fork() -> None:
    client.set_as_main()

    def fork_again() -> None:
        grandchild = fork(report_reads)
        report_reads()
        wait_for(grandchild)

    wait_for(fork(fork_again))


def into_the_background() -> None:
    """Become a daemon: of three processes that have the client, only the last one remains."""
    client.set_as_main()
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    # Nobody can end a daemon that hangs: nobody knows it.
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    report_reads()
    client.close()


def on_demand() -> None:
    client.set_as_main()
    say("ready to fork")
    sys.stdin.readline()
    child = fork(report_reads)
    report_reads()
    wait_for(child)


def before_the_start() -> None:
    def start_and_report() -> None:
        client.set_as_main()
        report_reads()

    child = fork(start_and_report)
    start_and_report()
    wait_for(child)


def and_reload() -> None:
    client.set_as_main()
    say("ready to fork")
    sys.stdin.readline()

    def reload_and_report() -> None:
        client.reload()
        report_reads()

    wait_for(fork(reload_and_report))
    reload_and_report()


def and_close_in_the_child() -> None:
    client.set_as_main()
    wait_for(fork(lambda: None))
    report_reads()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    client.close()
