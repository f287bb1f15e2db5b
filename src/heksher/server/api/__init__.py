"""The v1 HTTP API: one module per group of routes.

``models`` says what requests look like, ``answers`` what answers look like and how they are documented, ``body`` reads
request bodies, ``errors`` maps errors to answers. A route only translates: between HTTP and one function of
``heksher.server.operations``.

Source: docs/reference/compatibility.md.
"""
