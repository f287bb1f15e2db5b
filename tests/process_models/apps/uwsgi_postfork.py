"""A WSGI application for uWSGI: the client is created before the workers are forked, and starts in each of them."""

import json
import os

from uwsgidecorators import postfork

import heksher

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.ThreadHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
)


@postfork
def start_client():
    client.set_as_main()


def application(environ, start_response):
    body = json.dumps({"pid": os.getpid(), "value": cache_ttl.get(user="guest")}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
