"""Every limit on what the service accepts and keeps, in one place; a request beyond one gets a 4xx that names it.

They are generous: nobody reaches them by using settings as settings. They keep one request, hostile or mistaken, from
taking memory, stack or time from all others (known fault 44).
"""

from typing import Final

from heksher import wire

# The default; HEKSHER_MAX_BODY_BYTES changes it.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
# The default; HEKSHER_CACHE_BYTES changes it. Answers that are kept, of each worker: whoever asks another question each
# time must not fill the memory, and a thousand different answers of a hundred kilobytes have room.
MAX_CACHE_BYTES: Final = 128 * 1024 * 1024
# Each level of a JSON value is a level of recursion in whoever writes or compares it.
MAX_JSON_NESTING: Final = 64
# A double ends at 308 digits, so a longer whole number is none for most readers of JSON.
MAX_INTEGER_DIGITS: Final = 300
# A malformed body can be wrong in a million places; a person reads the first few.
MAX_REPORTED_ERRORS: Final = 20

MAX_NAME_CHARACTERS: Final = wire.MAX_NAME_CHARACTERS
MAX_VERSION_DIGITS: Final = wire.MAX_VERSION_DIGITS

MAX_CONTEXT_FEATURES: Final = 256
MAX_METADATA_KEYS: Final = 1_000
MAX_QUERY_SETTINGS: Final = 10_000
# One filter for each feature, and nothing keeps a client from naming features that the service does not know.
MAX_QUERY_FILTERS: Final = 1_000
