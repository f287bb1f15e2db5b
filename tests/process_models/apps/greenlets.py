"""A program on gevent. With the argument ``fork`` it also forks, when it is told to."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402 - patched before anything else is imported
import sys  # noqa: E402

import gevent  # noqa: E402

import heksher  # noqa: E402
from tests.process_models.apps.reporting import report, say  # noqa: E402

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.ThreadHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
)


def work():
    report(lambda: cache_ttl.get(user="guest"))


def count_turns():
    """Say how often this greenlet had its turn: nothing may keep it from that."""
    turns = 0
    while True:
        gevent.sleep(0.01)
        turns += 1
        if turns % 20 == 0:
            say(f"{turns} turns")


def fork_on_demand():
    say("ready to fork")
    gevent.get_hub().threadpool.apply(sys.stdin.readline)
    child = os.fork()
    work()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    with client:
        turns = gevent.spawn(count_turns)
        if sys.argv[1:] == ["fork"]:
            fork_on_demand()
        else:
            gevent.joinall([gevent.spawn(work) for _ in range(3)], raise_error=True)
        turns.kill()
