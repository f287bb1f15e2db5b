"""Whether the service works."""

import logging

from heksher.server.storage.base import Storage
from heksher.server.storage.errors import StorageUnavailableError

logger: logging.Logger = logging.getLogger(__name__)


def is_healthy(storage: Storage) -> bool:
    """Tell whether the storage can be reached."""
    try:
        storage.check()
    except StorageUnavailableError as error:
        logger.warning("the health check failed: %s", error)
        return False
    return True
