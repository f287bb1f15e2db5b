"""Pages on which people sign in and out. They answer in HTML, also when something is wrong."""

import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from heksher.server.api.routing import ServicesDependency
from heksher.server.api.sign_in_page import POLICY, Note, SignInPage
from heksher.server.asgi.access import public, public_writes
from heksher.server.asgi.header_fields import get_fields
from heksher.server.services import Services
from heksher.server.sign_in.sign_in_error import (
    NoGrantError,
    ProviderError,
    SignInError,
    TooManyTriesError,
    WrongPasswordError,
)
from heksher.server.storage.storage_errors import StorageUnavailableError
