"""A WSGI application for uWSGI that asks to be told of forks, too, and does so after the client has started."""

from tests.process_models.apps.reporting import say
from tests.process_models.apps.wsgi import application

from uwsgidecorators import postfork  # isort: skip - the order is what this is about

__all__ = ["application"]


@postfork
def prepare_worker():
    say("a worker prepares itself")
