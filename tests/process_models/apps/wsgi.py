"""A WSGI application whose client starts when the application is imported, in whichever process that is."""

import json
import os

import heksher

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.ThreadHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
)
client.set_as_main()


def application(environ, start_response):
    body = json.dumps({"pid": os.getpid(), "value": cache_ttl.get(user="guest")}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
