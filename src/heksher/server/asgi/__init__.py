"""The path of a request: a short row of steps in front of the framework, each plain ASGI, each with one concern.

In the order in which a request passes them (``make_front`` in ``heksher.server.app`` puts them together)::

    MethodStep    answers HEAD as GET, without the body
    BodyLimit     ends the reading of a body that is too large (not of GET and HEAD, which have none)
    PlainBody     refuses to read a body in a content coding (as before)
    Entrance      refuses requests for other hosts, and writes of web pages that are not the service's own
    Gate          finds out by which token or session somebody asks, and refuses what they may not do at all
    CallerStep    puts into the scope whom the request claims to come from
    FastPath      answers a query from memory
    Streaming     runs a stream after all later steps have returned
    RequestLog    gives the request an id, and records the answer
    (framework)   routes, and mounted applications

Steps handle HTTP requests only. A step that has nothing to do after the answer returns the awaitable of the next step
without awaiting it: so an answer from memory passes through one coroutine, and an open stream keeps no other coroutine
alive. For the same reason a step that answers a request itself also records it; only ``RequestLog`` watches what is
sent.
"""
