"""The conversation with the service, without I/O: what to ask, what an answer means, and when to ask again."""
