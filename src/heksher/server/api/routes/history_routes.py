"""Routes that tell what was changed, and what was there before."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator

from heksher.revision_id import parse_revision
from heksher.server.access.grants import Role
from heksher.server.api.history_models import (
    ChangePage,
    ChangeWithParts,
    Diff,
    MomentInQuery,
    PastSettingResponse,
    RevertAnswer,
    SettingRevert,
)
from heksher.server.api.paging import PageDependency, PageRequest, refuse_cursor, write_cursor
from heksher.server.api.responses import (
    DETAILED_CALL_FAILURES,
    DETAILED_READ_FAILURES,
    DETAILED_WRITE_FAILURES,
    JSONAnswer,
    Responses,
    document,
    model,
    problem_details,
    tell_revision,
)
from heksher.server.api.routes.setting_routes import SETTING_PATH
from heksher.server.api.routing import (
    EditOriginDependency,
    ExpectingStorageDependency,
    IsAdmin,
    NameInPath,
    ProtectionDependency,
    RevisionInPath,
    RevisionInQuery,
    RuleIdInQuery,
    StorageDependency,
    make_router,
)
from heksher.server.asgi.access import reads, writes
from heksher.server.operations import change_list, past, reverting, revision_diff, setting_revert
from heksher.server.operations.change_list import ChangeCursor, WantedChanges
from heksher.server.operations.revision_diff import WantedDiff
from heksher.server.storage.base import Written
from heksher.wire import CHANGES_PATH, DIFF_PATH

router: APIRouter = make_router("history", has_problem_details=True)

CHANGE_PATH: Final = f"{CHANGES_PATH}/{{revision}}"

_PRUNED: Final[Responses] = problem_details(410, "The change log does not go back so far any more.")
_CANNOT: Final[Responses] = problem_details(
    409,
    "Something is not as it was left, or cannot be what it was: `conflicts` says what, `changes` has what came between."
    " Or a setting would be deleted without `force`, or it is an import, or removed from the change log.",
)


def _read_kind(text: str) -> str:
    if text not in change_list.KINDS:
        raise ValueError(f"there are no changes of such a kind: there are {', '.join(sorted(change_list.KINDS))}")
    return text


# Any other kind would look as if nothing was changed.
_Kind = Annotated[str, AfterValidator(_read_kind)]
_NO_REVISION: Final[Responses] = problem_details(404, "There is no such revision.")


@router.get(
    CHANGES_PATH,
    summary="List what was changed, newest first",
    responses=document(model(200, ChangePage, "A page of the change log."), DETAILED_READ_FAILURES),
)
@reads
def list_changes(
    storage: StorageDependency,
    page: PageDependency,
    is_admin: IsAdmin,
    setting: Annotated[
        str | None, Query(description="only this setting and its rules, under all names that it has had")
    ] = None,
    rule_id: RuleIdInQuery | None = None,
    actor: Annotated[str | None, Query(description="only what this person or token has changed")] = None,
    kind: Annotated[
        _Kind | None, Query(description="only objects of this kind", examples=["setting", "rule", "context_features"])
    ] = None,
    after: Annotated[
        MomentInQuery, Query(description="only what was changed after a revision, or since a time")
    ] = None,
    before: Annotated[MomentInQuery, Query(description="only what was changed before a revision, or a time")] = None,
) -> Response:
    """Who, when, why, and what was there before and after. Of an entry with many changes, the first ten are shown."""
    wanted = WantedChanges(setting, rule_id, actor, kind, after, before)
    changes, end = change_list.list_changes(storage, wanted, _read_cursor(page), page.limit, is_admin=is_admin)
    return JSONAnswer({"changes": changes, "next_cursor": None if end is None else _write_cursor(end)})


@router.get(
    CHANGE_PATH,
    summary="Tell one entry of the change log, with its changes in pages",
    responses=document(
        model(200, ChangeWithParts, "The entry."),
        _NO_REVISION,
        _PRUNED,
        DETAILED_READ_FAILURES,
    ),
)
@reads
def get_change(
    revision: RevisionInPath, storage: StorageDependency, page: PageDependency, is_admin: IsAdmin
) -> Response:
    """Its changes in the order in which they were made."""
    entry, end = change_list.get_entry(storage, revision, page.read_number(), page.limit, is_admin=is_admin)
    return JSONAnswer({**entry, "next_cursor": None if end is None else write_cursor(str(end))})


@router.get(
    SETTING_PATH + "/history/{revision}",
    summary="Get a setting and its rules as they were at a revision",
    responses=document(
        model(200, PastSettingResponse, "The setting and its rules."),
        problem_details(404, "There is no such revision, or there was no such setting."),
        _PRUNED,
        DETAILED_READ_FAILURES,
    ),
)
@reads
def get_past_setting(name: NameInPath, revision: RevisionInPath, storage: StorageDependency) -> Response:
    """By a name that it has now, or, if nothing is called so now, by one that it had."""
    return JSONAnswer(past.get_setting(storage, name, revision))


@router.get(
    DIFF_PATH,
    summary="Tell what differs between two revisions",
    responses=document(
        model(200, Diff, "A page of the settings that differ, or whose rules do."),
        problem_details(404, "There is no such revision or setting."),
        _PRUNED,
        DETAILED_READ_FAILURES,
    ),
)
@reads
def compare(
    storage: StorageDependency,
    page: PageDependency,
    start: Annotated[RevisionInQuery, Query(alias="from", description="the revision to begin with")],
    end: Annotated[
        RevisionInQuery | None,
        Query(alias="to", description="the revision to end with, which may be the earlier one; absent: the newest"),
    ] = None,
    setting: Annotated[str | None, Query(description="only this setting and its rules")] = None,
) -> Response:
    """What was added, changed and deleted between them, and is not as it was."""
    wanted = WantedDiff(start, end, setting)
    difference, cursor = revision_diff.compare(storage, wanted, page.read_number(), page.limit)
    return JSONAnswer({**difference, "next_cursor": None if cursor is None else write_cursor(str(cursor))})


@router.post(
    CHANGE_PATH + "/revert",
    summary="Take a change back",
    responses=document(
        model(200, RevertAnswer, "It is taken back."),
        _NO_REVISION,
        _CANNOT,
        DETAILED_CALL_FAILURES,
    ),
)
@writes(Role.READ)  # and what each write needs that it takes
def revert_change(
    revision: RevisionInPath,
    storage: StorageDependency,
    origin: EditOriginDependency,
    protection: ProtectionDependency,
) -> Response:
    """What is as the change left it becomes what it was before, as a change of its own; what is so already is left.

    Anything else is refused, with the changes that came between. A deleted setting or rule comes back as it was, with
    its id. That a revert is taken back is a revert like others.
    """
    written = reverting.revert(storage, revision, origin, is_forced=origin.is_forced, protection=protection)
    return _answer_reverted(written)


@router.post(
    SETTING_PATH + "/revert",
    summary="Make a setting with its rules what it was at a revision",
    responses=document(
        model(200, RevertAnswer, "It is what it was."),
        problem_details(404, "There is no such revision, or there was no such setting, neither then nor now."),
        _CANNOT,
        DETAILED_WRITE_FAILURES,
    ),
)
@writes(Role.READ)  # and what each write needs that it takes
def revert_setting(
    name: NameInPath,
    body: SettingRevert,
    storage: ExpectingStorageDependency,
    origin: EditOriginDependency,
    protection: ProtectionDependency,
) -> Response:
    """As one change. One that is gone comes back, with the ids of its rules."""
    written = setting_revert.revert_setting(
        storage, name, body.to, origin, is_forced=origin.is_forced, protection=protection
    )
    return _answer_reverted(written)


def _answer_reverted(written: Written[int]) -> Response:
    return JSONAnswer({"revision": written.revision, "size": written.result}, 200, tell_revision(written))


def _write_cursor(end: ChangeCursor) -> str:
    return write_cursor(",".join(map(str, (end.revision, *sorted(end.told)))))


def _read_cursor(page: PageRequest) -> ChangeCursor | None:
    if not page.after:
        return None
    revision, *told = map(parse_revision, page.after.split(","))
    if revision is None or None in told:
        raise refuse_cursor()
    return ChangeCursor(revision, frozenset(number for number in told if number is not None))
