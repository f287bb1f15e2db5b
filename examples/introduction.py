"""The introduction of the Heksher client, as a program that runs: an application with two settings, asynchronous.

::

    python examples/introduction.py --url http://127.0.0.1:8000            print what two visitors get
    python examples/introduction.py --url http://127.0.0.1:8000 --watch    and again whenever that changes

The service has to know the context features environment, user and theme, in this order:
``heksher serve --context-features environment,user,theme``. What stands between the two marks is the text that users of
the existing client begin with, word for word; only its ``...`` are filled in.
"""

# The published text is not ours to change: neither its layout nor its missing annotations.
# ruff: noqa: ANN001, ANN201, D101, I001
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="var-annotated"
# fmt: off
import argparse
import contextlib
# ----- the published example begins -----
import asyncio
import os
import heksher
import contextvars

# in this example, we start up a service with two settings: a cache ttl, and a background color
# we have 3 context features in all: environment, user, and theme

cache_ttl = heksher.Setting(name="cache_ttl", type=int,
                            configurable_feature=['environment', 'user'], default_value=60)
background_color = heksher.Setting(name="background_color", type=str,
                                   configurable_feature=['environment', 'theme'],
                                   default_value="white")

theme_cv = contextvars.ContextVar('theme')
# it is the app's responsibility to set this context variable

class App:
    heksher_client: heksher.AsyncHeksherClient

    async def startup(self):
        print('starting')
        self.heksher_client = heksher.AsyncHeksherClient(
            service_url = os.environ['HEKSHER_URL'],
            update_interval = 300,  # update all settings every 5 minutes
            context_features = ['environment', 'user', 'theme'],
            http_client_args = {'headers': {'api_token': os.getenv('HEKSHER_API_TOKEN', 'none')}},
        )
        environment : str = os.getenv('ENVIRONMENT', 'dev')
        self.heksher_client.set_defaults(environment=environment)
        # unless explicitly stated, we now fetch all our setting values as the environment
        # specified
        self.heksher_client.set_defaults(theme=theme_cv)
        # unless explicitly stated, we now fetch all our setting values as the theme specified
        # in the contextvar
        self.heksher_client.track_contexts(
                            environment=environment, user=heksher.TRACK_ALL,
                            theme=['bright', 'dark', 'blue']
        )
        # we have now configured our client to only track the environments we got from our own
        # env, only the themes "dark", "bright", and "blue", and to track all users, we will not
        # read any rules but those.

        await self.heksher_client.set_as_main()
        # will declare all settings configured in the service, and begin to update them in the
        # background every 5 minutes
        print('started')

    async def shutdown(self):
        print('stopping')
        await self.heksher_client.aclose() # will stop the background update task
        print('stopped')

    def get_cache_ttl(self, user):
        # no need to specify environment, since we set it's default at startup
        return cache_ttl.get(user=user)

    def get_background_color(self):
        # no need to specify environment or theme, since we set their default at startup
        return background_color.get()
# ----- the published example ends -----
# fmt: on

VISITORS = (("alice", "bright"), ("guest", "dark"))


def describe(app: App) -> str:
    """Say what each visitor gets, a line for each."""
    lines = []
    for user, theme in VISITORS:
        theme_cv.set(theme)
        lines.append(f"{user} gets cache_ttl={app.get_cache_ttl(user)} background_color={app.get_background_color()}")
    return "\n".join(lines)


async def watch(app: App, interval_s: float) -> None:
    """Ask the service every ``interval_s`` seconds, rather than every five minutes, and print what has changed."""
    printed = describe(app)
    while True:
        await asyncio.sleep(interval_s)
        await app.heksher_client.reload()
        current = describe(app)
        if current != printed:
            print(current, flush=True)
            printed = current


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="the introduction of the Heksher client, asynchronous")
    parser.add_argument("--url", default=os.getenv("HEKSHER_URL", "http://127.0.0.1:8000"), help="of the service")
    parser.add_argument("--watch", action="store_true", help="go on until Ctrl-C, and print what has changed")
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="how often --watch asks")
    return parser.parse_args()


async def main() -> None:
    """Start the application, print what the visitors get, and end, or go on watching."""
    arguments = parse_arguments()
    os.environ["HEKSHER_URL"] = arguments.url
    app = App()
    await app.startup()
    try:
        print(describe(app), flush=True)
        if arguments.watch:
            await watch(app, arguments.interval)
    finally:
        await app.shutdown()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
