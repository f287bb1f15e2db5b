"""Routes of policies, which demand a second person for changes of settings, by the beginning of their names."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Response

from heksher.server.access.grants import Role
from heksher.server.api.proposal_models import Policies, PolicyResponse
from heksher.server.api.responses import (
    DETAILED_CALL_FAILURES,
    DETAILED_READ_FAILURES,
    JSONAnswer,
    Responses,
    answer_written,
    document,
    model,
    problem_details,
)
from heksher.server.api.routing import ConfigDependency, OriginDependency, StorageDependency, make_router
from heksher.server.asgi.access import reads, writes
from heksher.server.errors import NotPermittedError
from heksher.server.operations import policies


async def _require_access(config: ConfigDependency) -> None:
    if not config.has_access:
        raise NotPermittedError(
            "this service was started without --access, so it does not know who approves of anything, and has no"
            " policies: whoever it lets in may do everything"
        )


router: APIRouter = make_router("policies", [Depends(_require_access)], has_problem_details=True)

POLICIES_PATH: Final = "/api/v1/policies"
POLICY_PATH: Final = f"{POLICIES_PATH}/{{prefix}}"

# Stands for the prefix of all settings, which no path can have: it would end with a slash.
_ALL: Final = "*"

PrefixInPath = Annotated[
    str, Path(description="the beginning of names, up to a dot, or `*` for all settings", examples=["frontend.", _ALL])
]

_NO_POLICY: Final[Responses] = problem_details(404, "There is no policy of exactly this prefix.")


@router.get(
    POLICIES_PATH,
    summary="List the policies, sorted by prefix",
    responses=document(model(200, Policies, "All policies."), DETAILED_READ_FAILURES),
)
@reads
def list_policies(storage: StorageDependency) -> Response:
    """Each demands a second person for changes of the settings whose names begin with its prefix."""
    return JSONAnswer({"policies": [policies.policy_to_json(policy) for policy in policies.list_all(storage)]})


@router.get(
    POLICY_PATH,
    summary="Get a policy",
    responses=document(model(200, PolicyResponse, "The policy."), _NO_POLICY, DETAILED_READ_FAILURES),
)
@reads
def get_policy(prefix: PrefixInPath, storage: StorageDependency) -> Response:
    """That of exactly this prefix."""
    return JSONAnswer(policies.policy_to_json(policies.get(storage, _read_prefix(prefix))))


@router.put(
    POLICY_PATH,
    status_code=204,
    summary="Demand a second person for changes of settings",
    responses=document(DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
def put_policy(prefix: PrefixInPath, storage: StorageDependency, origin: OriginDependency) -> Response:
    """Of those whose names begin with the prefix, and their rules; but not for declarations of programs."""
    return answer_written(policies.put(storage, _read_prefix(prefix), origin))


@router.delete(
    POLICY_PATH,
    status_code=204,
    summary="Demand a second person no more",
    responses=document(_NO_POLICY, DETAILED_CALL_FAILURES),
)
@writes(Role.ADMIN)
def delete_policy(prefix: PrefixInPath, storage: StorageDependency, origin: OriginDependency) -> Response:
    """As far as no other policy does."""
    return answer_written(policies.remove(storage, _read_prefix(prefix), origin))


def _read_prefix(text: str) -> str:
    return "" if text == _ALL else text
