"""All limits on what the service accepts and keeps. A request that exceeds one gets a 4xx that names the limit.

Ordinary use of settings stays far below them. They keep a single request, hostile or mistaken, from taking memory,
stack or time from all others (known fault 44).
"""

from typing import Final

from heksher import context_value, wire

# The default; HEKSHER_MAX_BODY_BYTES overrides it.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
# The default; HEKSHER_CACHE_BYTES overrides it. Bounds the cached answers of each worker: a client that sends a new
# query every time must not fill the memory, yet a thousand different answers of a hundred kilobytes fit.
MAX_CACHE_BYTES: Final = 128 * 1024 * 1024
# The default; HEKSHER_MAX_VALUE_BYTES overrides it. The change log keeps each value that a setting or rule ever had.
MAX_VALUE_BYTES: Final = 1024 * 1024
# The defaults; HEKSHER_MAX_SETTINGS and HEKSHER_MAX_RULES override them. Each process has all of them in memory: a
# kilobyte for each is what they take there. No program has as many settings as this.
MAX_SETTINGS: Final = 100_000
MAX_RULES: Final = 5_000_000
# Each level of a JSON value costs a level of recursion in the code that writes or compares it.
MAX_JSON_NESTING: Final = 64
# A double has at most 308 digits, so most JSON readers cannot read a longer integer.
MAX_INTEGER_DIGITS: Final = 300
# A malformed body can have a million errors; a person reads the first few.
MAX_REPORTED_ERRORS: Final = 20

MAX_NAME_CHARACTERS: Final = wire.MAX_NAME_CHARACTERS
MAX_VALUE_CHARACTERS: Final = context_value.MAX_VALUE_CHARACTERS
MAX_VERSION_DIGITS: Final = wire.MAX_VERSION_DIGITS

MAX_DECLARATIONS: Final = wire.MAX_DECLARATIONS
# Of one request that makes several writes: they are one transaction, and other writes wait for it.
MAX_BULK_OPERATIONS: Final = 10_000

# Proposals that wait. Each process looks for those that are due, and for those that are about the same.
MAX_OPEN_PROPOSALS: Final = 5_000

# Of tokens and people; the names of actors have as many.
MAX_ACCESS_NAME_CHARACTERS: Final = 100
# Of one token or person.
MAX_GRANTS: Final = 100
# A longer password would be no better, and takes time to digest.
MIN_PASSWORD_CHARACTERS: Final = 8
MAX_PASSWORD_CHARACTERS: Final = 1_000
MAX_WEBHOOKS: Final = 100
MAX_WEBHOOK_URL_CHARACTERS: Final = 2_000
# Of one webhook.
MAX_PREFIXES: Final = 100
# What a list that is told in pages has in one.
MAX_PAGE_ITEMS: Final = 1_000

# Of the clients that ask for settings, those that were seen last; what is known of others is removed.
MAX_CLIENTS: Final = 10_000
KEEP_CLIENTS_DAYS: Final = 30
# How far back one can ask for use.
MAX_USAGE_DAYS: Final = 36_500

MAX_CONTEXT_FEATURES: Final = 256
MAX_METADATA_KEYS: Final = 1_000
# Limits of values are read with each write of a value, while other writes wait.
MAX_LIMITS_BYTES: Final = 64 * 1024
MAX_QUERY_SETTINGS: Final = wire.MAX_QUERY_SETTINGS
# One filter for each feature; clients may also name features that the service does not know.
MAX_QUERY_FILTERS: Final = 1_000
# All filters together: each takes a hundred bytes while the query is answered.
MAX_QUERY_VALUES: Final = 100_000

# Request line and header fields together, and likewise the fields after a body. Programs that have more to say say it
# in a body.
MAX_HEAD_BYTES: Final = 64 * 1024
# The default; HEKSHER_MAX_CONNECTIONS overrides it, and no process has more than its descriptors allow. One that does
# nothing takes 4 KiB.
MAX_CONNECTIONS: Final = 10_000
# What all requests of a process that are not answered yet may take, as they came; at least four of the largest bodies.
MAX_PENDING_BYTES: Final = 64 * 1024 * 1024
# Times, in seconds: for a head, for a body and what must come of it in each such span, for a client that takes nothing
# of its answer (that of a stream is in ``queries/stream.py``), and until an idle connection is closed.
MAX_HEAD_S: Final = 10.0
MAX_BODY_S: Final = 60.0
BODY_RATE_S: Final = 10.0
LEAST_BODY_BYTES: Final = 10 * 1024
MAX_UNREAD_S: Final = 30.0
KEEP_ALIVE_S: Final = 5.0
