"""Queries and what is told of their answers: from memory where that is possible, to clients that ask and that wait.

All of this belongs to an event loop, and is given and returns headers and bytes; who calls it does the rest of HTTP.
"""
