"""gunicorn's configuration for gevent with an application that is loaded before the workers are forked."""

# First of all, so that the client's thread, in the parent already, is one of gevent's.
from gevent import monkey

monkey.patch_all()

worker_class = "gevent"
preload_app = True
