"""What a client demands leads it to the truth, whichever replica answers, and whatever the database has lost.

The replicas of this model know what they have seen of the database, and look at it when they lack what is demanded, as
the service's do. The client is this project's: the first replica tells it of changes, and it asks any of them.
"""

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from heksher.clients.conversation.query_protocol import QueryProtocol
from heksher.revision_id import RevisionId, parse_revision_id
from heksher.wire import MIN_REVISION_HEADER

REPLICAS = st.integers(0, 1)
# Of the context features with which a service is started; it is never lost.
FIRST = RevisionId(1, "ffffffffffff")

History = tuple[RevisionId, ...]


class Demands(RuleBasedStateMachine):
    """Writes, losses, looks, events and queries in any order.

    Attributes:
        stored: what the database has.
        seen: what each replica has seen of it.
        era: how often the replica with the stream has found the database back, or with another history.
        is_failed: whether the database was away since that replica has looked: no change is lost without that.
        told: the era and the revision that the stream has told last.
        published: what the client has.
        is_due: whether the client is to ask because of an event.
        in_flight: what the query under way will be answered with; ``None`` if there is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stored: History = (FIRST,)
        self.seen: list[History] = [self.stored] * 2
        self.era = 0
        self.is_failed = False
        self.told = (0, FIRST)
        self.protocol = QueryProtocol("")
        self.published = FIRST
        self.is_due = False
        self.in_flight: RevisionId | None = None
        self.stamps = 0

    # ---- the service

    @rule(replica=REPLICAS)
    def write(self, replica: int) -> None:
        """Make a change; the replica that does it has seen it then."""
        self._store(1)
        self.look(replica)

    @rule(lost=st.integers(1, 2), later=st.integers(0, 3))
    def fail_over(self, lost: int, later: int) -> None:
        """Lose the last changes, as another server takes the place of the database, and make others."""
        self.is_failed = True
        self.stored = self.stored[: max(1, len(self.stored) - lost)]
        self._store(later)

    @rule(replica=REPLICAS)
    def look(self, replica: int) -> None:
        """Have a replica look at the database."""
        if replica == 0 and self.is_failed:
            self.era, self.is_failed = self.era + 1, False
        self.seen[replica] = self.stored

    # ---- the client

    @rule()
    def tell(self) -> None:
        """Have the stream tell of what is news at its replica."""
        newest = self.seen[0][-1]
        if (self.era, newest) != self.told:
            self.told = self.era, newest
            if not newest.may_be(self.published):
                self.protocol.require_revision(newest)
                self.is_due = True

    @precondition(lambda self: self.in_flight is None)
    @rule(replica=REPLICAS)
    def send(self, replica: int) -> None:
        """Send a query to a replica, which looks if it lacks what is demanded."""
        self.is_due = False
        flow = self.protocol.ask((), None, None)
        [request] = next(flow)
        demand = parse_revision_id(request.headers.get(MIN_REVISION_HEADER, ""))
        if demand is not None and demand not in self.seen[replica]:
            self.look(replica)
        self.in_flight = self.seen[replica][-1]

    @precondition(lambda self: self.in_flight is not None)
    @rule()
    def answer(self) -> None:
        """Have the client publish the answer."""
        assert self.in_flight is not None
        revision, self.in_flight = self.in_flight, None
        if self.published in self.stored:
            assert revision.number >= self.published.number, "the client goes back though nothing was lost"
        self.published = revision
        self.protocol.confirm_revision(revision)

    @rule(replica=REPLICAS)
    def ask(self, replica: int) -> None:
        """Ask as a client does that polls."""
        if self.in_flight is None:
            self.send(replica)
        self.answer()

    # ---- what must hold

    @rule(replica=REPLICAS)
    def settle(self, replica: int) -> None:
        """Have the replica with the stream look, the client be told, and ask if it has reason to.

        If what it is told is not above what it has, it has what the database has then, whichever replica it asks. Else
        it may meet one that has not looked yet: after that has, the client's next poll finds the truth.
        """
        if self.in_flight is not None:
            self.answer()
        self.look(0)
        is_above = self.stored[-1].number > self.published.number
        self.tell()
        if self.is_due:
            self.ask(replica)
            assert is_above or self.published == self.stored[-1]
        self.look(1)
        self.ask(replica)
        assert self.published == self.stored[-1]

    def _store(self, changes: int) -> None:
        for _ in range(changes):
            self.stamps += 1
            self.stored = (*self.stored, RevisionId(self.stored[-1].number + 1, f"{self.stamps:012x}"))


TestDemands = Demands.TestCase
TestDemands.settings = hypothesis_settings(max_examples=300, stateful_step_count=15)
