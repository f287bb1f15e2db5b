"""How often somebody may try to sign in.

What is limited goes by addresses. For a name over all addresses there is only a delay, which never exceeds some
seconds: who tries passwords of somebody else's name must not lock that person out.
"""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address, ip_network
from typing import Final

from heksher.server.sign_in.sign_in_error import TooManyTriesError
from heksher.server.web_address import read_address

WINDOW_S: Final = 60.0
# Tries in a minute: for a name from one address, and for an address.
MAX_NAME_TRIES: Final = 10
MAX_ADDRESS_TRIES: Final = 30
# The delay of a name: after this many tries in a minute it begins, doubles with each one, and ends growing.
_FREE_TRIES: Final = 5
_FIRST_DELAY_S: Final = 0.1
MAX_DELAY_S: Final = 5.0
# From this try on the delay stays what it is, so no more of them have to be known.
_COUNTED_TRIES: Final = _FREE_TRIES + 1 + math.ceil(math.log2(MAX_DELAY_S / _FIRST_DELAY_S))
# Of how many names and addresses is known how often they were tried; then the one that was tried longest ago is
# forgotten. They take a megabyte or two.
_MAX_KEYS: Final = 4096
# Who has one IPv6 address has all that begin like it.
_IPV6_PREFIX_BITS: Final = 64


class TryLimiter:
    """Counts the tries to sign in of a process. Belongs to one event loop.

    Args:
        read_clock_s: tells the time.
    """

    def __init__(self, read_clock_s: Callable[[], float] = time.monotonic) -> None:
        self._read_clock_s = read_clock_s
        self._addresses = _Tries(MAX_ADDRESS_TRIES)
        self._names_of_addresses = _Tries(MAX_NAME_TRIES)
        self._names = _Tries(_COUNTED_TRIES)

    def take_for_address(self, address: str) -> None:
        """Count a try that is of no name.

        Raises:
            TooManyTriesError: there were too many from this address; it was not counted.
        """
        now_s = self._read_clock_s()
        key = _find_key(address)
        self._require(self._addresses.find_wait_s(key, now_s))
        self._addresses.add(key, now_s)

    def take(self, name: str, address: str) -> float:
        """Count a try to sign in by a name, and return how many seconds to wait before it is looked at.

        Args:
            name: any text.
            address: where the try comes from.

        Raises:
            TooManyTriesError: there were too many; it was not counted.
        """
        now_s = self._read_clock_s()
        key = _find_key(address)
        # A name can be long, and many of them are kept.
        name_key = hash(name)
        pair = (name_key, key)
        self._require(max(self._addresses.find_wait_s(key, now_s), self._names_of_addresses.find_wait_s(pair, now_s)))
        self._addresses.add(key, now_s)
        self._names_of_addresses.add(pair, now_s)
        self._names.add(name_key, now_s)
        excess = self._names.count(name_key, now_s) - _FREE_TRIES
        return min(MAX_DELAY_S, _FIRST_DELAY_S * 2.0 ** (excess - 1)) if excess > 0 else 0.0

    def count_left(self, name: str, address: str) -> int:
        """Return how many tries are left by a name from an address."""
        now_s = self._read_clock_s()
        key = _find_key(address)
        return min(
            MAX_ADDRESS_TRIES - self._addresses.count(key, now_s),
            MAX_NAME_TRIES - self._names_of_addresses.count((hash(name), key), now_s),
        )

    def _require(self, wait_s: float) -> None:
        if wait_s > 0:
            raise TooManyTriesError(math.ceil(wait_s))


class _Tries:
    """When the last tries were made, by what they were made with.

    Args:
        most: how many are known of each at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # In the order of the last try of each.
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def add(self, key: Hashable, now_s: float) -> None:
        """Note a try."""
        times = self._times.setdefault(key, deque(maxlen=self._most))
        times.append(now_s)
        self._times.move_to_end(key)
        if len(self._times) > _MAX_KEYS:
            self._times.popitem(last=False)

    def count(self, key: Hashable, now_s: float) -> int:
        """Return how many tries of the last minute are known."""
        return sum(time_s > now_s - WINDOW_S for time_s in self._times.get(key, ()))

    def find_wait_s(self, key: Hashable, now_s: float) -> float:
        """Return after how many seconds there will be fewer than the most in a minute; 0 if there are."""
        times = self._times.get(key)
        if times is None or len(times) < self._most:
            return 0.0
        return max(0.0, times[0] + WINDOW_S - now_s)


def _find_key(address: str) -> Hashable:
    found = read_address(address)
    if isinstance(found, IPv6Address):
        return ip_network((found, _IPV6_PREFIX_BITS), strict=False)
    return address if found is None else found
