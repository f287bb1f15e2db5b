"""The service's side of HTTP/1.1: connections, and what a stranger can take of memory, time and places on them.

What goes over a connection is parsed by httptools, whose parser is llhttp. Everything that decides how much is read,
and how long it is waited for, is here, because no server has all of it (docs/adr/0013). A connection is in one of
four places at any time::

    reading   there is no complete request: nothing yet, a part of a head, or a part of a body
    idle      its last request is answered, and nothing of the next one is there
    busy      a complete request is being answered, or a stream is open
    ending    its client has taken its last answer, and may still be sending

Requests of one connection are answered one after another. While one is answered nothing of the next is parsed: what has
arrived of it is held as it is, and when that is much, reading stops. So a client that sends without reading fills its
own buffers; and until then it is noticed that a client sends nothing more.

From the bottom: ``http_limits``, ``answer_text`` and ``request_reader`` know bytes only; a ``served_request`` is a
request and its answer, as the application sees them, which waits at a ``write_gate`` while the client does not read; a
``connection`` has a reader and such requests, an ``inflow`` for what waits to be read, and a ``linger`` for its end;
those with much to read are ``deferred`` for the others; ``places`` knows all connections and makes room; ``watch`` ends
what takes too long, and gives back ``spare_memory``; ``ended`` tells of what was ended or refused; ``acceptor`` lets
connections in; ``http_server`` starts and ends it all.
"""
