"""The v1 HTTP API: in ``routes``, one module per group of routes; here, what they share.

``models`` has the models of requests, ``responses`` makes and documents answers, ``body`` reads bodies,
``query_parameters`` reads queries, and ``error_handlers`` maps errors to answers. A route only translates between HTTP
and one function of ``heksher.server.operations``.

Source: docs/reference/compatibility.md.
"""
