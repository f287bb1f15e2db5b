"""A function as AWS Lambda runs it: loaded once, called now and then, frozen between the calls.

Here a line of the standard input is a call.
"""

import os
import sys
from contextlib import suppress

import heksher
from heksher.exceptions import ServiceError
from tests.process_models.apps.reporting import say

INTERVAL_S = float(os.environ["UPDATE_INTERVAL_S"])

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.ThreadHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=INTERVAL_S,
    context_features=["environment", "user", "theme"],
)
client.set_as_main()


def handler(event, context):
    age_s = client.status.age_s
    if age_s is None or age_s > 2 * INTERVAL_S:
        # It was frozen, or the service is away: what is there is used then.
        with suppress(ServiceError):
            client.reload()
    return {"value": cache_ttl.get(user="guest")}


if __name__ == "__main__":
    for line in sys.stdin:
        say(f"call {line.strip()} is answered {handler(line, None)['value']}")
    client.close()
