"""What is answered about one proposal: with its writes, and what they would do now."""

from typing import cast

from heksher.server.access.grants import EVERYTHING
from heksher.server.catalog.picture import Picture
from heksher.server.errors import OperationError
from heksher.server.json_form import JSONObject
from heksher.server.operations.applying import require_unchanged
from heksher.server.operations.proposal_form import proposal_to_json
from heksher.server.operations.proposals import get_with_content
from heksher.server.operations.proposed_writes import WritesReader, plan
from heksher.server.operations.remembered import list_subjects
from heksher.server.queries.trial_answer import tell_trial
from heksher.server.storage.base import Origin, Reader, Storage
from heksher.server.storage.proposal_records import OPEN, ProposalContent, ProposalRecord
from heksher.value_type import JSON


def tell_proposal(storage: Storage, picture: Picture, read_writes: WritesReader, proposal_id: int) -> JSONObject:
    """Return a proposal with its writes, and what they would do, after those of the open proposals that come first.

    Args:
        storage: has the proposal.
        picture: what there is.
        read_writes: reads its writes.
        proposal_id: its id.

    Raises:
        NotFoundError: there is no such proposal.
    """
    record, content = storage.read(lambda reader: get_with_content(reader, proposal_id))
    preview, problem = None, None
    if record.state == OPEN:
        try:
            storage.read(lambda reader: require_unchanged(reader, record, content))
            preview = _preview(storage, picture, read_writes, record, content)
        except OperationError as error:
            problem = str(error)
    return {
        **proposal_to_json(record),
        "open_conflicts": storage.read(lambda reader: _find_open_conflicts(reader, record, content)),
        "operations": list(content.operations),
        "objects": list(content.objects),
        "preview": preview,
        "problem": problem,
    }


def _preview(
    storage: Storage, picture: Picture, read_writes: WritesReader, record: ProposalRecord, content: ProposalContent
) -> JSONObject:
    planned = plan(storage, picture, read_writes, record.after)
    trial = planned.try_writes(read_writes(content.operations), storage, Origin(grants=EVERYTHING))
    # The revisions of what is only planned are none.
    return {**tell_trial(planned.picture, trial), "revision": picture.revision}


def _find_open_conflicts(reader: Reader, record: ProposalRecord, content: ProposalContent) -> list[JSON]:
    if record.state != OPEN:
        return []
    objects = cast("tuple[JSONObject, ...]", content.objects)
    deleted = [str(each["key"]) for each in objects if each.get("has_rules")]
    rule_ids = [rule.rule_id for rule in (reader.rules(deleted) if deleted else ())]
    subjects = list_subjects(objects, rule_ids)
    return [number for number in reader.proposals_about(subjects) if number != record.proposal_id]
