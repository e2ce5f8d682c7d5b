"""How long a session lasts, and how many there are."""

from __future__ import annotations

from streamseg.serve.sessions import IDLE_S, LIFE_S, MOST_OF_A_TOKEN, Sessions


def test_a_session_ends_when_it_is_not_used_or_is_old_or_given_back() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    cookie = sessions.begin(b"one")
    assert len(cookie) > 40
    assert sessions.token("another") == b""
    while now[0] + IDLE_S <= LIFE_S:
        assert sessions.token(cookie) == b"one"
        now[0] += IDLE_S
    now[0] += IDLE_S
    assert sessions.token(cookie) == b""
    idle = sessions.begin(b"one")
    now[0] += IDLE_S + 1
    assert sessions.token(idle) == b""
    given_back = sessions.begin(b"one")
    sessions.end(given_back)
    sessions.end("\udcff")
    assert sessions.token(given_back) == b""
    assert sessions._open == {}


def test_sessions_are_bounded_for_each_token_and_end_with_it() -> None:
    sessions = Sessions(lambda: 0.0)
    other = sessions.begin(b"other")
    first, second, *_ = [sessions.begin(b"one") for _ in range(MOST_OF_A_TOKEN)]
    assert sessions.token(first) == b"one"  # and was used just now
    newest = sessions.begin(b"one")
    assert [sessions.token(each) for each in (other, first, second, newest)] == [b"other", b"one", b"", b"one"]
    sessions.keep(lambda token: token == b"other")
    assert [sessions.token(each) for each in (other, first, newest)] == [b"other", b"", b""]
