"""Settings of rich types: an enum, flags, a mapping. What they are in Python, and what on the wire.

::

    python examples/enums_and_flags.py --url http://127.0.0.1:8000

Makes rules on the service to show it, so point it to one that is for trying out, with the context feature ``user``.
"""

import argparse
from collections.abc import Mapping
from enum import Enum, IntFlag, auto

import httpx2

import heksher


class Plan(Enum):
    """On the wire these are the values of the members: ``Enum["free","paid"]``."""

    FREE = "free"
    PAID = "paid"


class Access(IntFlag):
    """On the wire these are the names of the members: ``Flags["EXPORT","READ","WRITE"]``."""

    READ = auto()
    WRITE = auto()
    EXPORT = auto()


plan = heksher.Setting("example.plan", type=Plan, configurable_features=["user"], default_value=Plan.FREE)
access = heksher.Setting("example.access", type=Access, configurable_features=["user"], default_value=Access.READ)
limits = heksher.Setting(
    "example.limits", type=Mapping[str, int], configurable_features=["user"], default_value={"uploads": 10}
)


def add_rule(url: str, setting: str, user: str, value: object) -> None:
    """Add a rule; one that is there already is kept."""
    body = {"setting": setting, "feature_values": {"user": user}, "value": value}
    httpx2.post(f"{url}/api/v1/rules", json=body)


def main() -> None:
    """Declare the settings, make an exception for one user, and print what two users get."""
    parser = argparse.ArgumentParser(description="settings of rich types")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    url = parser.parse_args().url
    with heksher.ThreadHeksherClient(url, update_interval=60, context_features=["user"]) as client:
        for setting in (plan, access, limits):
            print(f"{setting.name} is {setting.type.heksher_string()}")
        add_rule(url, "example.plan", "alice", "paid")
        add_rule(url, "example.access", "alice", ["READ", "WRITE"])
        add_rule(url, "example.limits", "alice", {"uploads": 1000, "exports": 5})
        client.reload()
        for user in ("guest", "alice"):
            may_write = Access.WRITE in access.get(user=user)
            print(f"{user}: {plan.get(user=user)}, may write: {may_write}, limits {dict(limits.get(user=user))}")


if __name__ == "__main__":
    main()
