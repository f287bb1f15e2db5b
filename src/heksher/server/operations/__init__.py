"""What the service does, without a word of HTTP or SQL: one module per kind of object.

Each function takes a ``Storage``, runs one unit of work on it, and raises the errors of ``heksher.server.errors``. A
writing function takes the ``Origin`` of the request too, records a ``LoggedChange`` for each object that it changes,
and returns the ``Written`` result; a request that is accepted but changes nothing records nothing. Arguments have
passed the lexical rules of the API, except names, ids and features that are only looked up: those may be anything, and
are not found.
"""
