"""The introduction of the Heksher client, as a program that runs: the same application, with threads.

::

    python examples/introduction_thread.py --url http://127.0.0.1:8000            print what two visitors get
    python examples/introduction_thread.py --url http://127.0.0.1:8000 --watch    and again whenever that changes

The service has to know the context features environment, user and theme, in this order:
``heksher serve --context-features environment,user,theme``. The asynchronous twin is ``introduction.py``.
"""

import argparse
import contextlib
import contextvars
import os
import threading

import heksher

# in this example, we start up a service with two settings: a cache ttl, and a background color
# we have 3 context features in all: environment, user, and theme

cache_ttl = heksher.Setting(name="cache_ttl", type=int, configurable_feature=["environment", "user"], default_value=60)
background_color = heksher.Setting(
    name="background_color", type=str, configurable_feature=["environment", "theme"], default_value="white"
)

theme_cv: contextvars.ContextVar[str] = contextvars.ContextVar("theme")
# it is the app's responsibility to set this context variable


class App:
    """An application that reads two settings."""

    heksher_client: heksher.ThreadHeksherClient

    def startup(self) -> None:
        """Make the client, and wait for the first values."""
        self.heksher_client = heksher.ThreadHeksherClient(
            service_url=os.environ["HEKSHER_URL"],
            update_interval=300,  # update all settings every 5 minutes
            context_features=["environment", "user", "theme"],
            http_client_args={"headers": {"api_token": os.getenv("HEKSHER_API_TOKEN", "none")}},
        )
        environment = os.getenv("ENVIRONMENT", "dev")
        self.heksher_client.set_defaults(environment=environment)
        # unless explicitly stated, we now fetch all our setting values as the environment specified
        self.heksher_client.set_defaults(theme=theme_cv)
        # unless explicitly stated, we now fetch all our setting values as the theme specified in the contextvar
        self.heksher_client.track_contexts(
            environment=environment, user=heksher.TRACK_ALL, theme=["bright", "dark", "blue"]
        )
        # we have now configured our client to only track the environment we got from our own env, only the themes
        # "dark", "bright", and "blue", and to track all users, we will not read any rules but those

        self.heksher_client.set_as_main()
        # will declare all settings configured in the service, and begin to update them in the background every
        # 5 minutes

    def shutdown(self) -> None:
        """Stop the background updates."""
        self.heksher_client.close()

    def get_cache_ttl(self, user: str) -> int:
        """Return a user's cache ttl; no need to specify environment, since we set its default at startup."""
        return cache_ttl.get(user=user)

    def get_background_color(self) -> str:
        """Return the background color; no need to specify environment or theme, for the same reason."""
        return background_color.get()


VISITORS = (("alice", "bright"), ("guest", "dark"))


def describe(app: App) -> str:
    """Say what each visitor gets, a line for each."""
    lines = []
    for user, theme in VISITORS:
        theme_cv.set(theme)
        lines.append(f"{user} gets cache_ttl={app.get_cache_ttl(user)} background_color={app.get_background_color()}")
    return "\n".join(lines)


def watch(app: App, interval_s: float) -> None:
    """Ask the service every ``interval_s`` seconds, rather than every five minutes, and print what has changed."""
    printed = describe(app)
    never = threading.Event()
    while not never.wait(interval_s):
        app.heksher_client.reload()
        current = describe(app)
        if current != printed:
            print(current, flush=True)
            printed = current


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="the introduction of the Heksher client, with threads")
    parser.add_argument("--url", default=os.getenv("HEKSHER_URL", "http://127.0.0.1:8000"), help="of the service")
    parser.add_argument("--watch", action="store_true", help="go on until Ctrl-C, and print what has changed")
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="how often --watch asks")
    return parser.parse_args()


def main() -> None:
    """Start the application, print what the visitors get, and end, or go on watching."""
    arguments = parse_arguments()
    os.environ["HEKSHER_URL"] = arguments.url
    app = App()
    app.startup()
    try:
        print(describe(app), flush=True)
        if arguments.watch:
            watch(app, arguments.interval)
    finally:
        app.shutdown()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
