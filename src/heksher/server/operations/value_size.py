"""The bound for the size of a value: the change log keeps each value that a setting or rule ever had, for long."""

from heksher.server.errors import InvalidInputError
from heksher.server.json_bytes import encode
from heksher.server.operations.metadata import Edit, Metadata


def require_size(value: object, max_bytes: int, name: str) -> None:
    """Check that a value is not too large.

    Args:
        value: a default value, the value of a rule, or the whole metadata of one of them.
        max_bytes: the most bytes that its JSON may have, as UTF-8 without spaces.
        name: what the input calls it.

    Raises:
        InvalidInputError: it has more.
    """
    size = len(encode(value))
    if size > max_bytes:
        raise InvalidInputError(
            f"the JSON of {name} has {size:,} bytes, and this service takes at most {max_bytes:,}"
            " (HEKSHER_MAX_VALUE_BYTES): keep large data elsewhere, and its address here",
            (name,),
        )


def bound(edit: Edit, max_bytes: int) -> Edit:
    """Return an edit that is refused where it makes metadata too large, and may always make them smaller.

    Raises:
        InvalidInputError: by the edit, if so.
    """

    def edit_within(metadata: Metadata) -> Metadata:
        edited = edit(metadata)
        # What is there already may be larger, such as what was imported.
        require_size(edited, max(max_bytes, len(encode(metadata))), "metadata")
        return edited

    return edit_within
