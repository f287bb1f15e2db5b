"""What importing the package loads, by name: each module costs every application time, and is added on purpose.

A new name is entered here in the change that brings it, and is seen in review; ``make import-time`` says what it costs.
"""

import subprocess
import sys

import pytest

# Applications have it loaded anyway; what it brings is free.
YARDSTICK = "import asyncio"
SETTINGS = "import asyncio, heksher"
CLIENTS = "import asyncio; from heksher import AsyncHeksherClient, ThreadHeksherClient"

# What a module that declares settings needs.
CORE = """
heksher heksher.argument_check heksher.change_base heksher.context heksher.context_value heksher.declaration_check
heksher.declared_metadata heksher.difference heksher.evaluation heksher.exceptions heksher.explanation
heksher.feature_set heksher.fork heksher.get_source heksher.main_client heksher.process_bound heksher.read_only_dict
heksher.record heksher.resolver heksher.rule_set heksher.setting heksher.setting_base heksher.setting_type
heksher.subscription heksher.value_type heksher.version heksher.wire heksher.wording
"""
CORE_STANDARD = "copy dataclasses json json.decoder json.encoder json.scanner _json"

# What a program needs besides that makes a client. The HTTP library is loaded when the client is made.
CLIENT = """
heksher.backoff heksher.changes heksher.clients heksher.clients.async_client heksher.clients.base_client
heksher.clients.contextual heksher.clients.conversation heksher.clients.conversation.conflict
heksher.clients.conversation.conversion heksher.clients.conversation.declaration_difference
heksher.clients.conversation.declaration_protocol heksher.clients.conversation.declaration_remark
heksher.clients.conversation.declaration_retry heksher.clients.conversation.event_stream
heksher.clients.conversation.exchange heksher.clients.conversation.query_protocol
heksher.clients.conversation.registration heksher.clients.conversation.response_reader
heksher.clients.conversation.saved_state heksher.clients.conversation.schedule heksher.clients.conversation.session
heksher.clients.conversation.setting_data heksher.clients.conversation.stream_policy
heksher.clients.conversation.stream_state heksher.clients.conversation.token_expiry
heksher.clients.conversation.unexpected_status heksher.clients.conversation.update heksher.clients.held_lock
heksher.clients.home_loop heksher.clients.offline heksher.clients.offline.bootstrap heksher.clients.offline.fallback
heksher.clients.offline.file_path heksher.clients.option heksher.clients.phase heksher.clients.reporting
heksher.clients.reporting.dispatch heksher.clients.reporting.observed heksher.clients.reporting.snapshot
heksher.clients.reporting.status heksher.clients.shared_async_start heksher.clients.shared_start
heksher.clients.stream_runner heksher.clients.switching heksher.clients.takeover heksher.clients.thread_client
heksher.clients.transport heksher.clients.transport.async_transport heksher.clients.transport.http_errors
heksher.clients.transport.http_library heksher.clients.transport.identity heksher.clients.transport.in_flight
heksher.clients.transport.network heksher.clients.transport.private_part heksher.clients.transport.program_code
heksher.clients.transport.receiving heksher.clients.transport.sender heksher.clients.transport.thread_transport
heksher.clients.update_task heksher.clients.update_thread heksher.clients.update_turn heksher.clients.util
heksher.clients.wake heksher.revision_id
"""
# Those of all versions of Python.
CLIENT_STANDARD = """
_bisect _datetime _pydatetime _queue _random _sha2 _sha512 bisect datetime queue random zlib
"""


def list_modules(program: str) -> set[str]:
    """Run a program in a fresh interpreter, and list the modules that it has loaded in the end."""
    program += "\nimport sys; print(' '.join(sys.modules))"
    # Isolated, so that what an environment loads into every process is not ours.
    command = [sys.executable, "-I", "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("program", "ours", "standard"),
    [(SETTINGS, CORE, CORE_STANDARD), (CLIENTS, CORE + CLIENT, f"{CORE_STANDARD} {CLIENT_STANDARD}")],
    ids=["settings", "clients"],
)
def test_an_import_loads_what_was_reviewed(program: str, ours: str, standard: str) -> None:
    """What an import loads of this package is exactly what stands here, and of others nothing else."""
    loaded = list_modules(program) - list_modules(YARDSTICK)
    assert sorted(ours.split()) == sorted(name for name in loaded if name.partition(".")[0] == "heksher")
    foreign = {name for name in loaded if name.partition(".")[0] != "heksher"}
    assert [] == sorted(foreign - set(standard.split()))


def test_the_clients_are_there_after_the_import() -> None:
    """The clients' modules can be reached through the package without an import of their own."""
    reaching = "import heksher\nassert heksher.clients.thread_client.ThreadHeksherClient is heksher.ThreadHeksherClient"
    assert "heksher.clients.async_client" in list_modules(reaching)
