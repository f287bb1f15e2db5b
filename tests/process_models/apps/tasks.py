"""A Celery application whose client starts when the application is imported: before the pool is forked."""

import os

from celery import Celery

import heksher
from tests.process_models.apps.reporting import say

cache_ttl = heksher.Setting("cache_ttl", type=int, configurable_features=["user"], default_value=60)
client = heksher.ThreadHeksherClient(
    os.environ["HEKSHER_URL"],
    update_interval=float(os.environ["UPDATE_INTERVAL_S"]),
    context_features=["environment", "user", "theme"],
)
client.set_as_main()

app = Celery("tasks", broker="memory://")


@app.task
def read_cache_ttl():
    say(f"process {os.getpid()} reads {cache_ttl.get(user='guest')}")
