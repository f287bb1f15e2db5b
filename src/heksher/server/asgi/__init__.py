"""The path of a request: a short row of steps in front of the framework, each plain ASGI, each with one concern.

In the order in which a request passes them (``make_front`` in ``heksher.server.app`` puts them together)::

    BodyLimit     ends the reading of a body that is too large
    CallerStep    says in the scope who sends the request
    FastPath      answers a query from memory
    Streaming     holds a connection whose answer is a stream, after all that follows has answered
    RequestLog    gives the request an id, and records the answer
    (framework)   routes, and mounted applications

Steps see requests of HTTP only. One that has nothing to do after the answer returns what the next one returns, without
awaiting it: so an answer from memory passes through one coroutine, and an open stream keeps none of the others alive.
For the same reason a step that answers by itself records that by itself; watching what is sent is for the others.
"""
