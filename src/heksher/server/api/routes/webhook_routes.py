"""Routes of webhooks, for admins."""

from collections.abc import Iterable
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from heksher.server.access.grants import Role
from heksher.server.api.paging import PageDependency
from heksher.server.api.responses import (
    DETAILED_CALL_FAILURES,
    DETAILED_READ_FAILURES,
    DETAILED_WRITE_FAILURES,
    JSONAnswer,
    Responses,
    answer_written,
    document,
    model,
    problem_details,
    tell_revision,
)
from heksher.server.api.routing import OriginDependency, ServicesDependency, StorageDependency, make_router
from heksher.server.api.webhook_models import (
    CreatedWebhook,
    Enabling,
    NewWebhook,
    TestedWebhook,
    WebhookResponse,
    Webhooks,
    WebhookUpdate,
)
from heksher.server.asgi.access import reads, writes
from heksher.server.json_form import JSONObject
from heksher.server.operations import webhooks
from heksher.server.operations.permission import require
from heksher.server.operations.webhook_form import webhook_to_json
from heksher.server.operations.webhooks import Webhook, WebhookChange
from heksher.server.webhooks.message import make_test_message

router: APIRouter = make_router("webhooks", has_problem_details=True)

WEBHOOKS_PATH: Final = "/api/v1/webhooks"
WEBHOOK_PATH: Final = f"{WEBHOOKS_PATH}/{{name}}"

# No cache may keep it.
_UNKEPT: Final = {"Cache-Control": "no-store"}

WebhookInPath = Annotated[str, Path(examples=["team-channel"])]

_NO_WEBHOOK: Final[Responses] = problem_details(404, "There is no such webhook.")
_TAKEN: Final[Responses] = problem_details(409, "The name is taken.")


@router.get(
    WEBHOOKS_PATH,
    summary="List the webhooks, sorted by name",
    responses=document(model(200, Webhooks, "A page of the list."), DETAILED_READ_FAILURES),
)
@reads(role=Role.ADMIN)
def list_webhooks(storage: StorageDependency, page: PageDependency) -> Response:
    """With how far each was told, and why it is off, or fails."""
    shown, cursor = page.cut(_write_all(webhooks.list_all(storage)), lambda item: str(item["name"]))
    return JSONAnswer({"webhooks": shown, "next_cursor": cursor}, headers=_UNKEPT)


@router.post(
    WEBHOOKS_PATH,
    status_code=201,
    summary="Create a webhook",
    responses=document(
        model(201, CreatedWebhook, "The secret: this is the only time that it is told."),
        _TAKEN,
        DETAILED_WRITE_FAILURES,
    ),
)
@writes(Role.ADMIN)
def create_webhook(body: NewWebhook, storage: StorageDependency, origin: OriginDependency) -> Response:
    """It is told of what changes from now on: a message for each revision, signed as Standard Webhooks 1.0 says."""
    written = webhooks.create(storage, body.name, body.url.get_secret_value(), body.prefixes, body.format, origin)
    headers = {"Location": f"{WEBHOOKS_PATH}/{quote(body.name, safe='')}", **_UNKEPT, **tell_revision(written)}
    return JSONAnswer({"name": body.name, "secret": written.result}, 201, headers)


@router.get(
    WEBHOOK_PATH,
    summary="Get a webhook",
    responses=document(model(200, WebhookResponse, "The webhook."), _NO_WEBHOOK, DETAILED_READ_FAILURES),
)
@reads(role=Role.ADMIN)
def get_webhook(name: WebhookInPath, storage: StorageDependency) -> Response:
    """As the list has it."""
    (content,) = _write_all([webhooks.get(storage, name)])
    return JSONAnswer(content, headers=_UNKEPT)


@router.patch(
    WEBHOOK_PATH,
    status_code=204,
    summary="Change where a webhook's messages go, what it is told of, or how",
    responses=document(_NO_WEBHOOK, DETAILED_WRITE_FAILURES),
)
@writes(Role.ADMIN)
def change_webhook(
    name: WebhookInPath, body: WebhookUpdate, storage: StorageDependency, origin: OriginDependency
) -> Response:
    """It goes on where it was, with the same secret; another URL is tried at once."""
    changes: WebhookChange = {}
    if "url" in body.model_fields_set:
        changes["url"] = body.url.get_secret_value()
    if "prefixes" in body.model_fields_set:
        changes["prefixes"] = tuple(body.prefixes)
    if "format" in body.model_fields_set:
        changes["format"] = body.format
    return answer_written(webhooks.change(storage, name, changes, origin))


@router.delete(
    WEBHOOK_PATH,
    status_code=204,
    summary="Remove a webhook",
    responses=document(_NO_WEBHOOK, DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
def delete_webhook(name: WebhookInPath, storage: StorageDependency, origin: OriginDependency) -> Response:
    """A message that is on its way arrives nevertheless."""
    return answer_written(webhooks.delete(storage, name, origin))


@router.post(
    WEBHOOK_PATH + "/disable",
    status_code=204,
    summary="Tell a webhook nothing more",
    responses=document(_NO_WEBHOOK, DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
def disable_webhook(name: WebhookInPath, storage: StorageDependency, origin: OriginDependency) -> Response:
    """Until it is enabled: then it is told what it has missed."""
    reason = f"{origin.actor or 'somebody'} has switched it off"
    return answer_written(webhooks.switch_off(storage, name, reason, origin))


@router.post(
    WEBHOOK_PATH + "/enable",
    status_code=204,
    summary="Tell a webhook again, at once",
    responses=document(_NO_WEBHOOK, DETAILED_WRITE_FAILURES),
)
@writes(Role.ADMIN)
def enable_webhook(
    name: WebhookInPath, body: Enabling, storage: StorageDependency, origin: OriginDependency
) -> Response:
    """One that is off, or waits because its receiver has failed: with what it has missed, or without."""
    return answer_written(webhooks.enable(storage, name, origin, is_skipping=body.skip_missed))


@router.post(
    WEBHOOK_PATH + "/test",
    summary="Send a webhook a message, and say what became of it",
    responses=document(model(200, TestedWebhook, "What became of it."), _NO_WEBHOOK, DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
async def try_webhook(name: WebhookInPath, services: ServicesDependency, origin: OriginDependency) -> Response:
    """Its type is `webhook.test`. It is signed as all others are, and counts for nothing else."""
    require(origin, Role.ADMIN)
    webhook = (await run_in_threadpool(webhooks.get, services.storage, name)).record
    outcome = await services.message_sender.send(webhook.url, webhook.secret, make_test_message(webhook))
    content = {"is_received": outcome.is_success, "status": outcome.status, "problem": outcome.problem or None}
    return JSONAnswer(content, headers=_UNKEPT)


def _write_all(found: Iterable[Webhook]) -> list[JSONObject]:
    return [webhook_to_json(webhook.record, webhook.delivery) for webhook in found]
