"""The faults: how each is made, and what is expected of a client meanwhile.

Whatever the fault, ``get`` raises nothing, and answers what the service said last or says now. Beyond that, an entry
says what the client is to make of it.
"""

import dataclasses
from enum import Enum
from typing import Final

from tests.faults.near import (
    DAY_S,
    LOOK_UP_S,
    NearFault,
    fill_disk,
    lose_name,
    move_wall_clock,
    nothing,
    remove_folder,
    thaw,
)


class Effect(Enum):
    """What a fault comes to.

    Attributes:
        NONE: updates go on as if nothing were.
        SOME: some updates fail, others bring what is new.
        STALE: no update succeeds: everything keeps its value, and the client says that it is stale.
        REJECTED: updates succeed, but what they say of the settings is refused: these keep their values, and the client
            says of each that something is wrong with it.
    """

    NONE = "current"
    SOME = "current, with failures"
    STALE = "stale"
    REJECTED = "values refused"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: what is wrong, for people.
        action: what the proxy does, a name in ``ACTIONS``.
        effect: what is expected to come of it.
        near: what is wrong in this process.
        before: what the proxy does until the fault begins, and after it ended.
        is_secure: whether the client talks TLS.
        updates: how many updates have to end while the fault lasts.
        remarks: how many lines the client writes at most, beside the one for each change of its state. Refused values
            are told of each time that they are other ones.
    """

    name: str
    action: str
    effect: Effect = Effect.STALE
    near: NearFault = nothing
    before: str = "pass"
    is_secure: bool = False
    updates: int = 2
    remarks: int = 0


NO_FAULT: Final = Fault("(no fault)", "pass", Effect.NONE)

NETWORK: Final = (
    Fault("connection refused", "refused"),
    Fault("host unreachable: connecting is never answered", "unreachable"),
    Fault("half-open: accepts, never answers", "silent"),
    Fault("connections from before are dead, new ones work", "old connections silent", Effect.SOME),
    Fault("connection dropped when it is used again", "dropped when used again", Effect.SOME),
    Fault("408 on an idle connection, then closed", "408 when idle", Effect.SOME),
    Fault("closed in place of an answer", "closed without answer"),
    Fault("reset in the middle of the answer", "reset"),
    Fault("cut off in the head", "cut head"),
    Fault("cut off in the body", "cut body"),
    Fault("body shorter than its Content-Length", "truncated"),
    Fault("name not resolved", "answer once", near=lose_name(0)),
    Fault("name server does not answer", "answer once", near=lose_name(LOOK_UP_S)),
)

TIME: Final = (
    Fault("request delayed", "slow request", Effect.NONE),
    Fault("answer delayed", "slow answer", Effect.NONE),
    Fault("body delayed after its first byte", "slow body", Effect.NONE),
    Fault("answer later than the time limit", "late answer"),
    Fault("head byte by byte", "dripping head"),
    Fault("body byte by byte", "dripping body"),
    Fault("102 Processing, for ever", "endless 102"),
)

CONTENT: Final = (
    Fault("answer sent twice", "duplicated", Effect.SOME),
    Fault("answer followed by one that nobody asked for", "unasked answer", Effect.SOME),
    Fault("bits flipped in the head", "corrupt head"),
    Fault("bits flipped in the body", "corrupt body"),
    Fault("garbage in place of HTTP", "garbage"),
    Fault("endless head", "endless head"),
    Fault("endless body", "endless body"),
    Fault("huge body", "huge body"),
    Fault("gzip bomb", "gzip bomb"),
    Fault("broken gzip", "broken gzip"),
    Fault("page of HTML with status 200", "page"),
    Fault("right answer with the Content-Type of a page", "as html", Effect.NONE),
    Fault("JSON of another shape", "other JSON", updates=12),
    Fault("JSON that is no UTF-8", "no UTF-8"),
    Fault("NaN and Infinity", "NaN"),
    Fault("JSON 100,000 levels deep", "deep JSON"),
    # Deeper than code that calls itself, and not too deep for any parser: that of Python 3.12 takes some 740 levels.
    Fault("values 700 levels deep", "deep values", Effect.REJECTED, remarks=5),
    Fault("settings missing from the answer", "no settings", Effect.REJECTED, remarks=2),
    Fault("settings of another shape", "other settings", Effect.REJECTED, updates=12, remarks=30),
    Fault("values of another type", "other types", Effect.REJECTED, updates=8, remarks=60),
)

STATUS: Final = (
    Fault("204", "204"),
    Fault("304 when that was not the question", "304", before="without etag"),
    Fault("redirect to elsewhere", "redirect"),
    Fault("401", "401"),
    Fault("403", "403"),
    Fault("404 from a proxy", "404"),
    Fault("429", "429"),
    Fault("429, Retry-After: 1", "429 for a second", updates=1),
    Fault("500", "500"),
    Fault("502", "502"),
    Fault("503", "503"),
    Fault("503, Retry-After: 1", "503 for a second", updates=1),
    Fault("503, Retry-After that is no time", "503 for nonsense"),
)

SECURITY: Final = (
    Fault("certificate of an unknown authority", "foreign certificate", is_secure=True),
    Fault("certificate for another host", "certificate for another host", is_secure=True),
    Fault("certificate expired", "expired certificate", is_secure=True),
    Fault("TLS handshake never answered", "silent handshake", is_secure=True),
)

OWN_PROCESS: Final = (
    Fault("wall clock a day ahead", "pass", Effect.NONE, move_wall_clock(DAY_S)),
    Fault("wall clock a day behind", "pass", Effect.NONE, move_wall_clock(-DAY_S)),
    Fault("thaw: a day has passed, connections are dead", "old connections silent", Effect.SOME, thaw),
    Fault("disk full under the file of last known values", "pass", Effect.NONE, fill_disk, remarks=2),
    Fault("folder of the file of last known values gone", "pass", Effect.NONE, remove_folder, remarks=2),
)

FAULTS: Final = (*NETWORK, *TIME, *CONTENT, *STATUS, *SECURITY, *OWN_PROCESS)
