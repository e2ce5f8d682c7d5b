"""Logins against a server's side that was written from the standards alone, and against the standards' own examples."""

from __future__ import annotations

import time
from typing import Any

import pytest

from streamseg.net.login import Login, read_challenges
from tests.parts.authenticator import DIALECTS, Authenticator


def tries(
    login: Login, keeper: Authenticator, method: str = "DESCRIBE", uri: str = "rtsp://cam/1", body: bytes = b""
) -> int:
    """How many requests it takes until the gatekeeper lets one pass; 0 where none does."""
    for count in range(1, 5):
        if keeper.admits(method, login.authorization(method, uri, body) or "", body):
            login.accepted()
            return count
        if not login.challenged([line.partition(":")[2].strip() for line in keeper.challenge()]):
            break
    return 0


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_of_logging_in_is_spoken(name: str) -> None:
    keeper = Authenticator(**DIALECTS[name])
    login = Login((keeper.user, keeper.password))
    assert tries(login, keeper, body=b"v=0") in (2, 3)
    assert tries(login, keeper, "SETUP", "rtsp://cam/1/track") >= 1
    assert tries(login, keeper, "PLAY") >= 1


@pytest.mark.parametrize("name", DIALECTS)
def test_a_wrong_password_is_tried_once_where_the_dialect_is_plain(name: str) -> None:
    keeper = Authenticator(**DIALECTS[name])
    assert tries(Login((keeper.user, "wrong")), keeper) == 0
    in_doubt = "\\" in (keeper.realm if keeper.written is None else keeper.written)
    assert keeper.wrong == (1 if not in_doubt else 2) or keeper.stale


def test_nothing_is_sent_to_a_server_that_does_not_ask() -> None:
    assert Login(("me", "hunter2")).authorization("GET", "/") is None
    login = Login(None)
    assert not login.challenged(['Basic realm="x"'])
    assert login.authorization("GET", "/") is None


def test_the_password_is_hidden_as_well_as_the_server_allows() -> None:
    offers = [
        'Basic realm="x"',
        'Digest realm="x", nonce="m", algorithm=MD5',
        'Digest realm="x", nonce="s", algorithm=SHA-256',
    ]
    for lines, nonce in ((offers, 's"'), (offers[:2], 'm"'), (offers[::-1], 's"')):
        login = Login(("me", "hunter2"))
        assert login.challenged(lines)
        answer = login.authorization("GET", "/") or ""
        assert f'nonce="{nonce}' in answer
        assert "hunter2" not in answer


@pytest.mark.parametrize("algorithm", ["MD5-sess", "SHA-256-sess"])
def test_the_key_of_a_session_holds_for_every_request_of_it(algorithm: str) -> None:
    keeper = Authenticator(algorithm=algorithm, qop="auth", session=True)
    login = Login((keeper.user, keeper.password))
    assert [tries(login, keeper, method) for method in ("DESCRIBE", "SETUP", "PLAY")] == [2, 1, 1]
    keeper.expire()
    assert [tries(login, keeper, method) for method in ("OPTIONS", "TEARDOWN")] == [2, 1]
    assert keeper.wrong == 1  # by the nonce that ran out


def test_a_nonce_that_runs_out_is_no_wrong_password() -> None:
    for stale in ("", "true"):
        keeper = Authenticator(qop="auth", stale=stale)
        login = Login((keeper.user, keeper.password))
        assert tries(login, keeper) == 2
        keeper.expire()
        assert tries(login, keeper) == 2


def test_the_count_of_uses_grows_with_each_and_begins_anew_with_a_new_nonce() -> None:
    login = Login(("me", "pw"))
    login.challenged(['Digest realm="x", nonce="1", qop="auth"'])
    answers = [login.authorization("GET", "/") or "" for _ in range(2)]
    login.accepted()
    login.challenged(['Digest realm="x", nonce="2", qop="auth"'])
    answers.append(login.authorization("GET", "/") or "")
    assert [part for answer in answers for part in answer.split(", ") if part.startswith("nc=")] == [
        "nc=00000001", "nc=00000002", "nc=00000001",
    ]  # fmt: skip


def test_a_kind_of_login_that_is_not_known_is_named() -> None:
    login = Login(("me", "pw"))
    assert not login.challenged(["Negotiate", 'Bearer realm="x"', 'Digest realm="x", algorithm=FOO'])
    assert login.unknown == "negotiate, bearer, digest"


@pytest.mark.parametrize(
    ("keeper", "given", "response"),
    [
        (  # RFC 2617, 3.5
            Authenticator("Mufasa", "Circle Of Life", realm="testrealm@host.com"),
            {"nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "cnonce": "0a4f113b", "uri": "/dir/index.html"},
            "6629fae49393a05397450978507c4ef1",
        ),
        (  # RFC 7616, 3.9.1
            Authenticator("Mufasa", "Circle of Life", realm="http-auth@example.org", algorithm="SHA-256"),
            {
                "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                "uri": "/dir/index.html",
            },
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ],
)  # fmt: skip
def test_the_gatekeeper_of_these_tests_agrees_with_the_standards_examples(
    keeper: Authenticator, given: dict[str, Any], response: str
) -> None:
    assert keeper.response("GET", {**given, "qop": "auth", "nc": "00000001"}) == response


@pytest.mark.parametrize(
    "line",
    [
        'Digest realm="' + " " * 60_000,
        "Digest realm=" + " " * 60_000 + '"',
        "Digest " + "a=, " * 15_000,
        'Digest a="' + '",a ' * 15_000,
        "x " * 30_000,
    ],
)
def test_nonsense_of_any_length_is_read_in_no_time(line: str) -> None:
    began_s = time.process_time()
    list(read_challenges([line]))
    assert time.process_time() - began_s < 30, "hung"
