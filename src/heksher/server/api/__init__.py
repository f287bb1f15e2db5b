"""The v1 HTTP API: one module per group of routes."""
