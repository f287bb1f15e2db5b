"""Queries and streams of their changes, answered from memory where possible.

Everything here belongs to an event loop and works on headers and bytes; the caller does the rest of HTTP.
"""
