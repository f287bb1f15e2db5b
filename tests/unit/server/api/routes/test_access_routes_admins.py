"""Who is counted on as an admin that is left, by the ways in which people can sign in to the service."""

from dataclasses import replace
from datetime import timedelta

import pytest

from heksher.server.config import Config
from heksher.server.storage.access_records import PERSON, PersonRecord
from heksher.server.storage.base import LoggedChange, Storage, Writer
from tests.support.access import CONFIG, give_token, make_guarded
from tests.support.api import Api

ISSUER = "https://id.example.com"
PROXY = replace(CONFIG, proxy_user_header="X-Forwarded-User", trusted_proxies=("10.0.0.5",))
PROVIDER = replace(
    CONFIG,
    public_url="https://heksher.test",
    oidc_issuer=ISSUER,
    oidc_client_id="heksher",
    oidc_grants=("platform=edit", "platform=admin"),
)
ELSEWHERE = PersonRecord("ada", ("admin",), None)
PROVIDED = replace(ELSEWHERE, issuer=ISSUER, subject="1")


def put_person(storage: Storage, person: PersonRecord) -> None:
    def work(writer: Writer) -> None:
        writer.put_person(person)
        writer.record(LoggedChange("add", PERSON, person.name, None, {}))

    storage.write(work)


@pytest.mark.parametrize(
    ("config", "person", "is_admin"),
    [
        (CONFIG, replace(ELSEWHERE, password_hash="hash"), True),  # noqa: S106 - of no password
        (CONFIG, ELSEWHERE, False),
        (CONFIG, PROVIDED, False),
        (PROXY, ELSEWHERE, True),
        (PROXY, PROVIDED, False),
        (PROVIDER, ELSEWHERE, False),
        (PROVIDER, PROVIDED, True),
        (PROVIDER, replace(PROVIDED, issuer="https://former.example.com"), False),
        (replace(PROVIDER, oidc_grants=("platform=edit",)), PROVIDED, False),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/api/v1/tokens/root", None),
        ("PATCH", "/api/v1/tokens/root", {"grants": ["read"]}),
        ("DELETE", "/api/v1/people/bob", None),
        ("PATCH", "/api/v1/people/bob", {"grants": []}),
    ],
)
def test_an_admin_is_left_who_can_come_in(
    config: Config, person: PersonRecord, is_admin: bool, method: str, path: str, body: object
):
    """By a password, by the word of a proxy, or through the provider, where one of its groups makes admins."""
    api = Api()
    put_person(api.storage, person)
    if "tokens" in path:
        give_token(api.storage, "admin", name="root")
    else:
        put_person(api.storage, replace(ELSEWHERE, name="bob", password_hash="hash"))  # noqa: S106 - of no password
    # Of an admin that ends too soon to be counted on.
    give_token(api.storage, "admin", name="acting", expires_in=timedelta(hours=1))
    guarded = make_guarded(api, config)
    answer = guarded.request(method, path, json=body, headers={"api_token": "hks_acting"})
    assert (204 if is_admin else 409) == answer.status_code
