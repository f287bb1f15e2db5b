"""Pages on which people sign in and out. They answer in HTML, also when something is wrong."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Final
from unicodedata import normalize
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from heksher.server.api.sign_in_form import read_form, read_path
from heksher.server.api.sign_in_page import POLICY, Note, SignInPage
from heksher.server.asgi.access import public, public_writes
from heksher.server.asgi.gate import get_principal
from heksher.server.asgi.header_fields import get_fields
from heksher.server.errors import NotFoundError
from heksher.server.services import Services
from heksher.server.sign_in.sign_in_error import (
    NoGrantError,
    ProviderError,
    RefusedSignInError,
    SignInError,
    TooManyTriesError,
    WrongPasswordError,
)
from heksher.server.sign_in.sign_in_service import CALLBACK_PATH, Admission
from heksher.server.storage.storage_errors import StorageUnavailableError

router: APIRouter = APIRouter(include_in_schema=False)

SIGN_IN_PATH: Final = "/sign-in"
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    # Not none at all: then a browser would not say, either, which page a form is of.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# Where people go who do not want to go anywhere in particular.
_HOME: Final = "/docs"
_RETRY_AFTER_S: Final = 1

_Handler = Callable[[Request], Awaitable[Response]]


def _answering_errors(handle: _Handler) -> _Handler:
    """Answer a page where something is wrong."""

    @wraps(handle)
    async def handle_in_html(request: Request) -> Response:
        services: Services = request.app.state.services
        if (page := _find_closed_page(request, services)) is not None:
            return page
        try:
            return await handle(request)
        except (SignInError, StorageUnavailableError, HTTPException) as error:
            return _answer_error(request, error)

    # The framework follows it, and would look at the inner handler's names.
    del handle_in_html.__wrapped__
    return handle_in_html


@router.get(SIGN_IN_PATH)
@public
@_answering_errors
async def show_sign_in(request: Request) -> Response:
    """Show how to sign in, or who has."""
    path = read_path(*request.query_params.getlist("next"))
    page = replace(_make_page(request), path=path, person=_find_person(request))
    if page.provider is None and not page.has_passwords and page.person is None:
        text = "There is nobody who can sign in. On the machine of the database: heksher access person add NAME"
        page = replace(page, note=Note("wait", "Nobody can sign in yet", (text,)))
    return _show(page)


@router.post(SIGN_IN_PATH)
@public_writes
@_answering_errors
async def sign_in(request: Request) -> Response:
    """Sign somebody in by name and password."""
    services: Services = request.app.state.services
    form = await read_form(request)
    name, path = normalize("NFC", form.get("name", "").strip()), read_path(form.get("next", ""))
    try:
        admission = await services.sign_in.sign_in(name, form.get("password", ""), _find_address(request))
    except WrongPasswordError as error:
        left = f"{error.tries_left} {'try is' if error.tries_left == 1 else 'tries are'} left in this minute."
        page = replace(_make_page(request), path=path, name=name, error=f"Name or password is wrong. {left}")
        return _show(page, 403)
    return _go_on(services, replace(admission, target=path))


@router.get(f"{SIGN_IN_PATH}/oidc")
@public
@_answering_errors
async def leave_for_provider(request: Request) -> Response:
    """Send somebody to the provider."""
    services = _require_provider(request)
    departure = await services.sign_in.depart(read_path(*request.query_params.getlist("next")))
    return _go_on(services, departure)


@router.get(CALLBACK_PATH)
@public
@_answering_errors
async def arrive_from_provider(request: Request) -> Response:
    """Sign somebody in who comes back from the provider."""
    services = _require_provider(request)
    answer = dict(request.query_params.multi_items())
    fields, address = get_fields(request.scope), _find_address(request)
    try:
        if len(answer) != len(request.query_params.multi_items()):
            raise RefusedSignInError("the answer says something twice")
        admission = await services.sign_in.arrive(fields, answer, address)
    except SignInError as error:
        # What was begun is over.
        page = _answer_error(request, error)
        page.headers.append("Set-Cookie", services.sign_in.forget_way())
        return page
    return _go_on(services, admission)


@router.post("/sign-out")
@public_writes
@_answering_errors
async def sign_out(request: Request) -> Response:
    """Sign somebody out, in this browser."""
    return _leave(request)


@router.post("/sign-out-everywhere")
@public_writes
@_answering_errors
async def sign_out_everywhere(request: Request) -> Response:
    """Sign somebody out, in all browsers."""
    services: Services = request.app.state.services
    person = _find_person(request)
    if person is None:
        raise HTTPException(403, "Nobody is signed in here.")
    # Who was removed meanwhile is signed out by that.
    with suppress(NotFoundError):
        await services.sign_in.sign_out_everywhere(person)
    return _leave(request)


def _find_person(request: Request) -> str | None:
    """Return the name of who has signed in; ``None`` if nobody has."""
    principal = get_principal(request.scope)
    return principal.name if principal.kind == "person" else None


def _leave(request: Request) -> Response:
    services: Services = request.app.state.services
    return _redirect(f"{_find_prefix(services)}{SIGN_IN_PATH}", [services.sign_in.sign_out()])


def _go_on(services: Services, admission: Admission) -> Response:
    return _redirect(admission.target or f"{_find_prefix(services)}{_HOME}", admission.cookies)


def _redirect(target: str, cookies: Iterable[str]) -> Response:
    answer = RedirectResponse(target, 303, _HEADERS)
    for cookie in cookies:
        answer.headers.append("Set-Cookie", cookie)
    return answer


def _find_prefix(services: Services) -> str:
    """Return what stands before the paths of the service where browsers reach it."""
    return urlsplit(services.config.public_url or "").path.rstrip("/")


def _find_address(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _require_provider(request: Request) -> Services:
    services: Services = request.app.state.services
    if not services.sign_in.has_provider:
        raise HTTPException(
            404, "This service has no provider to sign in through: it was started without --oidc-issuer."
        )
    return services


def _make_page(request: Request) -> SignInPage:
    services: Services = request.app.state.services
    issuer = services.config.oidc_issuer
    return SignInPage(
        root="../" * (request.url.path.count("/") - 1),
        host=urlsplit(services.config.public_url or "").netloc or request.url.netloc,
        provider=None if issuer is None else urlsplit(issuer).netloc,
        has_passwords=services.sign_in.has_passwords,
    )


def _find_closed_page(request: Request, services: Services) -> Response | None:
    """Return what is answered where nobody can sign in whatever they do."""
    if not services.config.has_access:
        text = "This service was started without --access, so it does not ask who somebody is."
        note, status = Note("wait", "Nobody has to sign in", (text,)), 404
    elif services.catalog.state is None:
        text = "The service has not reached its database yet, so it knows nobody. Try again in a moment."
        note, status = Note("bad", "Nobody can sign in now", (text,)), 503
    else:
        return None
    return _show_alone(request, note, status)


def _answer_error(request: Request, error: Exception) -> Response:
    match error:
        case NoGrantError():
            return _show_alone(request, _describe_no_grant(request, error), 403)
        case TooManyTriesError():
            text = f"Too many tries from this address. Try again in {error.retry_after_s} s."
            note = Note("wait", "Wait a moment", (text, "Nothing is locked: it goes on by itself."))
            answer = _show(replace(_make_page(request), note=note), 429)
            answer.headers["Retry-After"] = str(error.retry_after_s)
            return answer
        case ProviderError():
            texts = (
                _make_sentence(error),
                "It is not your fault. Try again; if it stays so, show this to who runs the service.",
            )
            return _show(replace(_make_page(request), note=Note("bad", "The provider cannot be used", texts)), 502)
        case HTTPException():
            return _show_alone(request, Note("bad", "That did not work", (error.detail,)), error.status_code)
        case StorageUnavailableError():
            text = "The service cannot store anything now, which it has to. Try again in a moment."
            answer = _show(replace(_make_page(request), note=Note("bad", "Nobody can sign in now", (text,))), 503)
            answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
            return answer
        case _:
            note = Note("bad", "You are not signed in", (_make_sentence(error),))
            return _show(replace(_make_page(request), note=note), 400)


def _make_sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


def _describe_no_grant(request: Request, error: NoGrantError) -> Note:
    services: Services = request.app.state.services
    admins = ", ".join(services.sign_in.list_admins()[:5]) or "whoever runs this service"
    groups = ", ".join(error.groups[:20]) or "none"
    return Note(
        "bad",
        "You may not do anything here yet",
        (
            f"The provider knows you as {error.person}, and none of your groups has a grant.",
            f"Your groups: {groups}.",
            f"An admin can give one of them a grant (--oidc-grants): {admins}.",
        ),
    )


def _show_alone(request: Request, note: Note, status: int) -> Response:
    """Answer a page that says something, and has no way to sign in."""
    return _show(replace(_make_page(request), provider=None, has_passwords=False, note=note), status)


def _show(page: SignInPage, status: int = 200) -> Response:
    return HTMLResponse(page.render(), status, _HEADERS)
