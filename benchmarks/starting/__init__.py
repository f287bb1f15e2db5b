"""Clients that start: the programs, the services that they start at, and what is asked of them."""
