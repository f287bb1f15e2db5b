"""The v1 HTTP API: in ``routes``, one module per group of routes; here, what they share.

``models`` says what requests look like, ``responses`` what answers look like and how they are documented, ``body``
reads bodies, ``query_parameters`` queries, ``error_handlers`` maps errors to answers. A route only translates: between
HTTP and one function of ``heksher.server.operations``.

Source: docs/reference/compatibility.md.
"""
