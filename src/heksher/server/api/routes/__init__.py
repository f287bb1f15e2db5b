"""The routes of the v1 HTTP API, one module per group; each has a ``router``."""
