"""gunicorn's configuration for workers that gevent is patched into late: in one of them after a stream has begun."""

import time

POLL_S = 0.02

worker_class = "gevent"
preload_app = True


def post_fork(_server, worker) -> None:
    # Here the application, and so its client, is there already, and the worker has patched nothing yet.
    from tests.process_models.apps.wsgi import client  # noqa: PLC0415 - it starts a client

    while worker.age % 2 == 0 and not client.status.is_streaming:
        time.sleep(POLL_S)
