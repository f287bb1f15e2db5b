"""Failovers of PostgreSQL under a running service: the servers, the clients that watch, and one drill."""
