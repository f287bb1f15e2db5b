"""Celery without a server: messages and results are files below one directory."""

import os

_directory = os.environ["CELERY_DIRECTORY"]

broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": f"{_directory}/messages",
    "data_folder_out": f"{_directory}/messages",
    "control_folder": f"{_directory}/control",
    "polling_interval": 0.02,
}
result_backend = f"file://{_directory}/results"
# Each process of the pool takes one message at a time, so that none of them is left out.
worker_prefetch_multiplier = 1
broker_connection_retry_on_startup = False
