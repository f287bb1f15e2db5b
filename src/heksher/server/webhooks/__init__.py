"""Webhooks: tells addresses elsewhere of changes, each in the order of the change log, at least once.

What is stored of them is changed in ``operations``; here they are told: how a message looks, is signed and is sent, and
which process does it.
"""
