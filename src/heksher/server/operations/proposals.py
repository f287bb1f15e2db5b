"""Finds proposals."""

from heksher.server.errors import ConflictError, NotFoundError
from heksher.server.json_form import JSONObject
from heksher.server.operations.applying import tell_state
from heksher.server.operations.lookup import find_setting
from heksher.server.operations.proposal_form import proposal_to_json
from heksher.server.operations.remembered import name_home
from heksher.server.storage.base import Reader, Storage
from heksher.server.storage.proposal_records import OPEN, ProposalContent, ProposalRecord, ProposalState


def list_page(
    storage: Storage, state: ProposalState | None, setting: str | None, before_id: int | None, limit: int
) -> tuple[list[JSONObject], int | None]:
    """Return a page of proposals, newest first, and the id that the next page begins below; ``None`` for no more.

    Args:
        storage: has the proposals.
        state: that they have; ``None`` for any.
        setting: any name of the setting that they, or the rules that they are about, are of; ``None`` for any.
        before_id: only those with a lower id; ``None`` for all.
        limit: how many the page has at most.
    """

    def work(reader: Reader) -> list[ProposalRecord]:
        subjects = None if setting is None else [name_home(name) for name in _list_names(reader, setting)]
        return reader.proposals(state, before_id, limit + 1, subjects)

    found = storage.read(work)
    shown = found[:limit]
    return [proposal_to_json(record) for record in shown], shown[-1].proposal_id if len(found) > limit else None


def get_with_content(reader: Reader, proposal_id: int) -> tuple[ProposalRecord, ProposalContent]:
    """Return a proposal, and what it would do.

    Raises:
        NotFoundError: there is no such proposal.
    """
    record, content = reader.find_proposal(proposal_id), reader.proposal_content(proposal_id)
    if record is None or content is None:
        raise NotFoundError("there is no proposal with this id", "proposal")
    return record, content


def get_open(reader: Reader, proposal_id: int) -> ProposalRecord:
    """Return a proposal that is open.

    Raises:
        NotFoundError: there is no such proposal.
        ConflictError: it is not open any more.
    """
    record, _ = get_with_content(reader, proposal_id)
    if record.state != OPEN:
        raise ConflictError(f"proposal {proposal_id} {tell_state(record)}, so nothing more can become of it")
    return record


def _list_names(reader: Reader, name: str) -> tuple[str, ...]:
    """Return the names that a setting has, by any of them."""
    setting = find_setting(reader, name)
    return (name,) if setting is None else (setting.name, *sorted(setting.aliases))
