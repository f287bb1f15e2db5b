"""What the cookie of a session says, and when it says nothing."""

import pytest
from itsdangerous import URLSafeSerializer

from heksher.server.access.signed_session import (
    MAX_SESSION_S,
    SignedSession,
    make_key,
    read,
    read_signed,
    sign,
    sign_content,
)

KEY = "a key of some length, and then some"
NOW_S = 1_800_000_000.9


def test_a_cookie_says_who_has_signed_in():
    """When, and at which epoch of theirs; the time in whole seconds."""
    session = read(KEY, sign(KEY, "alice", 3, NOW_S), NOW_S)
    assert SignedSession("alice", 1_800_000_000, 3) == session
    assert 1_800_000_000 + 12 * 3600 == session.end_s


@pytest.mark.parametrize("name", ["Ada Lovelace", "a;b,c=d", "é\u2603", "a" * 100, "x@example.com"])
def test_any_name_can_be_in_a_cookie(name: str):
    """The cookie itself has none of the characters that end one."""
    cookie = sign(KEY, name, 0, NOW_S)
    assert cookie.isascii()
    assert not set(cookie) & set(' ",;\\')
    assert name == read(KEY, cookie, NOW_S).person


@pytest.mark.parametrize(
    ("age_s", "holds"), [(-301, False), (-299, True), (0, True), (12 * 3600 - 1, True), (12 * 3600, False)]
)
def test_a_session_ends_after_half_a_day(age_s: int, holds: bool):
    """Clocks of replicas may differ by some minutes; a cookie of tomorrow is none."""
    assert 12 * 3600 == MAX_SESSION_S
    assert holds == (read(KEY, sign(KEY, "alice", 0, 1000.0), 1000.0 + age_s) is not None)


def test_a_cookie_of_another_key_is_none():
    """Nor is there one without a key: anybody could make it."""
    cookie = sign(KEY, "alice", 0, NOW_S)
    assert read("another key", cookie, NOW_S) is None
    assert read("", cookie, NOW_S) is None
    with pytest.raises(ValueError, match="no key"):
        sign("", "alice", 0, NOW_S)


def test_each_changed_character_voids_a_cookie():
    """So does each one that is missing or added."""
    cookie = sign(KEY, "alice", 0, NOW_S)
    other = sign(KEY, "bob", 0, NOW_S)
    changed = [cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :] for at in range(len(cookie) - 1)]
    truncated = [cookie[:at] for at in range(len(cookie))]
    spliced = [cookie.rpartition(".")[0] + "." + other.rpartition(".")[2]]
    for text in (*changed, *truncated, *spliced, f"{cookie}A", f" {cookie}", f"{cookie}.{cookie}"):
        assert read(KEY, text, NOW_S) is None, text


ODD = ["", ".", "..", "...", "a.b", "\x00", "é", "\ud800", "=" * 50, "a" * 5000, ".eJw.x", "null.x", "%00", "a\r\nb"]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_text_can_be_read(text: str):
    """It is no session, and no error."""
    assert read(KEY, text, NOW_S) is None


@pytest.mark.parametrize(
    "content",
    [None, 1, "alice", {}, [], ["alice"], ["alice", 1], ["alice", "1", 0], [1, 1, 0], ["a", 1, 0, 0], ["a", 1, None]],
)
def test_what_is_signed_and_no_session_is_none(content: object):
    """Such as of a former or a later version."""
    options = {"key_derivation": "hmac", "digest_method": __import__("hashlib").sha256}
    text = URLSafeSerializer(KEY, "heksher.session", signer_kwargs=options).dumps(content)
    assert read_signed(KEY, "heksher.session", text) == content
    assert read(KEY, text, 1.0) is None


def test_what_is_signed_for_one_purpose_is_of_no_use_for_another():
    """A sign-in that was begun is no session."""
    text = sign_content(KEY, "heksher.sign-in", ["alice", int(NOW_S), 0])
    assert read(KEY, text, NOW_S) is None
    assert read_signed(KEY, "heksher.session", sign_content(KEY, "heksher.sign-in", [1])) is None


def test_a_key_is_256_random_bits():
    """No two are alike."""
    keys = {make_key() for _ in range(3)}
    assert (3, {43}) == (len(keys), set(map(len, keys)))
