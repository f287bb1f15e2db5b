"""The Celery application of ``tasks.py``, in a worker that has something to do all the time.

The broker is in the memory of the worker's first process, so that is also where tasks are sent from.
"""

import threading
import time

from celery.signals import worker_ready

from tests.process_models.apps.tasks import app, read_cache_ttl

# A process of the pool takes one task after the other, and none for later: so each gets some.
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_transport_options = {"polling_interval": 0.01}
PAUSE_S = 0.02


@worker_ready.connect
def start_to_send(**_) -> None:
    threading.Thread(target=send_without_end, daemon=True).start()


def send_without_end() -> None:
    while True:
        read_cache_ttl.delay()
        time.sleep(PAUSE_S)
