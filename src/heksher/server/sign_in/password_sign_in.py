"""Signs people in by name and password."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from heksher.server.access.password import verify_password
from heksher.server.sign_in.rate_limit import TryLimiter
from heksher.server.sign_in.sign_in_error import TooManyTriesError, WrongPasswordError
from heksher.server.storage.access_records import PersonRecord

# As many as are verified at a time; others would only wait in their threads.
_MAX_THREADS: Final = 2
# How many wait for them at most: for two seconds or so.
_MAX_WAITING: Final = 50
_RETRY_AFTER_S: Final = 2

FindPerson = Callable[[str], PersonRecord | None]
Verify = Callable[[str | None, str], bool]


class PasswordSignIn:
    """Verifies passwords, in threads of its own. Belongs to one event loop.

    Args:
        find_person: returns the person with a name; ``None`` if there is none.
        limiter: counts the tries.
        verify: as ``verify_password``.
        sleep: as ``asyncio.sleep``.
    """

    def __init__(
        self,
        find_person: FindPerson,
        limiter: TryLimiter,
        verify: Verify = verify_password,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._find_person = find_person
        self._limiter = limiter
        self._verify = verify
        self._sleep = sleep
        # Threads come with the first work.
        self._threads = ThreadPoolExecutor(_MAX_THREADS, "heksher-password")
        self._waiting = 0

    def close(self) -> None:
        """Shut the threads down without waiting for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def sign_in(self, name: str, password: str, address: str) -> PersonRecord:
        """Return the person with a name and a password. A name that nobody has takes as long as a wrong password.

        Args:
            name: any text.
            password: any text.
            address: where the try comes from.

        Raises:
            WrongPasswordError: there is none.
            TooManyTriesError: there were too many tries, or too many wait.
        """
        delay_s = self._limiter.take(name, address)
        if delay_s:
            await self._sleep(delay_s)
        person = self._find_person(name)
        stored = None if person is None else person.password_hash
        if not await self._run(stored, password) or person is None:
            raise WrongPasswordError(self._limiter.count_left(name, address))
        return person

    async def _run(self, stored: str | None, password: str) -> bool:
        if self._waiting >= _MAX_WAITING:
            raise TooManyTriesError(_RETRY_AFTER_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, stored, password)
        finally:
            self._waiting -= 1
