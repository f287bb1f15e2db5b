"""Why a message is not sent, or its answer not waited for."""


class SendingError(Exception):
    """A message cannot be sent; the text says why, to people, and has nothing that is secret."""
