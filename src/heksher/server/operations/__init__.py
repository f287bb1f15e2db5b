"""What the service does, independent of HTTP and SQL: one module per kind of object.

Each function takes a ``Storage``, runs one unit of work on it, and raises the errors of ``heksher.server.errors``. A
writing function also takes the ``Origin`` of the request, records a ``LoggedChange`` for each object that it changes,
and returns the ``Written`` result; a request that is accepted but changes nothing records nothing. Arguments have
passed the lexical rules of the API, except for names, ids and features that are only looked up: those may be anything,
and are then not found.
"""
