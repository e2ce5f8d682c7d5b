"""What is said to a server and made of its answers; with connections: tests/capture/test_rtsp.py and its neighbours."""

from __future__ import annotations

import pytest

from streamseg.net.rtspclient import RefusedError, Request, RtspClient
from streamseg.net.rtspmessages import Message, Parser
from streamseg.net.urls import read_address

URL = "rtsp://cam/live"
DIGEST = 'Digest realm="cam", nonce="{}"'


def client(url: str = "rtsp://me:secret@cam/live") -> RtspClient:
    return RtspClient(read_address(url))


def answer(status: str, **headers: str) -> Message:
    return Message(f"RTSP/1.0 {status}", [(name.replace("_", "-"), value) for name, value in headers.items()])


def written(made: RtspClient, asked: Request) -> Message:
    number, raw = made.write(asked)
    (message,) = Parser().feed(raw)
    assert isinstance(message, Message)
    assert message.get("cseq") == number
    return message


def test_requests_are_numbered_one_after_the_other() -> None:
    made, asked = client(), Request("OPTIONS", URL)
    assert [made.write(asked)[0] for _ in range(3)] == ["1", "2", "3"]


def test_a_request_travels_as_it_was_asked_and_stays_as_it_was() -> None:
    asked = Request("ANNOUNCE", URL, [("Content-Type", "application/sdp"), ("Content-Length", "4")], b"body")
    message = written(client(), asked)
    assert message.words == ("ANNOUNCE", URL, "RTSP/1.0")
    assert (message.get("content-type"), message.body) == ("application/sdp", b"body")
    assert asked.headers == [("Content-Type", "application/sdp"), ("Content-Length", "4")]


def test_no_login_is_shown_before_it_is_asked_for() -> None:
    made, asked = client(), Request("DESCRIBE", URL)
    assert written(made, asked).get("authorization") == ""
    again = made.again(asked, answer("401 Unauthorized", WWW_Authenticate='Basic realm="cam"'))
    assert again is not None
    assert written(made, again).get("authorization").startswith("Basic ")


def test_a_wrong_password_is_not_tried_again_and_again() -> None:
    made, asked = client(), Request("DESCRIBE", URL)
    refused = answer("401 Unauthorized", WWW_Authenticate=DIGEST.format(1))
    again = made.again(asked, refused)
    assert again is not None
    written(made, again)
    assert made.again(again, refused) is None


def test_a_nonce_that_runs_out_in_the_middle_is_no_wrong_password() -> None:
    made, asked = client(), Request("DESCRIBE", URL)
    again = made.again(asked, answer("401 Unauthorized", WWW_Authenticate=DIGEST.format(1)))
    assert again is not None
    written(made, again)
    assert made.again(again, answer("200 OK")) is None
    once_more = made.again(Request("PLAY", URL), answer("401 Unauthorized", WWW_Authenticate=DIGEST.format(2)))
    assert once_more is not None
    assert 'nonce="2"' in written(made, once_more).get("authorization")


def test_a_server_that_calls_every_nonce_stale_is_left_after_a_few_tries() -> None:
    made, asked, tries = client(), Request("DESCRIBE", URL), 0
    for number in range(100):
        challenge = DIGEST.format(number) + ", stale=true"
        again = made.again(asked, answer("401 Unauthorized", WWW_Authenticate=challenge))
        if again is None:
            break
        asked, tries = again, tries + 1
    assert tries == 3


def test_without_a_login_a_401_is_final() -> None:
    asked = Request("DESCRIBE", URL)
    assert client(URL).again(asked, answer("401 Unauthorized", WWW_Authenticate='Basic realm="cam"')) is None


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oh", "454 Session Not Found"])
def test_other_answers_are_final(status: str) -> None:
    assert client().again(Request("PLAY", URL), answer(status)) is None


@pytest.mark.parametrize(
    ("location", "uri"),
    [
        ("rtsp://cam/other", "rtsp://cam/other"),
        ("/other", "rtsp://cam/other"),
        ("rtsp://x:y@cam:554/other", "rtsp://cam/other"),
    ],
)
def test_a_redirect_within_the_server_is_followed(location: str, uri: str) -> None:
    made = client()
    again = made.again(Request("DESCRIBE", URL, tries=3), answer("302 Found", Location=location))
    assert again is not None
    assert (again.uri, again.method, again.tries) == (uri, "DESCRIBE", 1)
    assert made.there.bare == uri


def test_only_what_describes_a_stream_moves_what_follows() -> None:
    for method, moved in (("OPTIONS", True), ("DESCRIBE", True), ("ANNOUNCE", True), ("SETUP", False), ("PLAY", False)):
        made = client()
        made.again(Request(method, URL), answer("301 Moved", Location="/other"))
        assert (made.there.path == "/other") == moved


@pytest.mark.parametrize(
    "location",
    [
        "rtsp://other/live",
        "rtsp://cam:8554/live",
        "http://cam/live",
        "//other/live",
        "rtsps://cam/live",
        "rtsp://cam.x.org/",
        "",
    ],
)
def test_no_redirect_leads_to_another_server(location: str) -> None:
    made = client()
    with pytest.raises(RefusedError, match="sends us to another server") as caught:
        made.again(Request("DESCRIBE", URL), answer("302 Found", Location=location))
    assert not caught.value.away
    assert caught.value.retry_s == 30
    assert caught.value.hint
    assert made.there.bare == URL


def test_no_secret_of_a_redirect_is_told() -> None:
    with pytest.raises(RefusedError) as caught:
        client().moved("rtsp://admin:hunter2@other/live")
    assert "hunter2" not in str(caught.value)
    assert "other/live" in str(caught.value)


def test_redirects_in_a_circle_end() -> None:
    made = client()
    for _ in range(5):
        made.moved("/live")
    with pytest.raises(RefusedError, match="from place to place"):
        made.moved("/live")


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("GET_PARAMETER", 200), ("SET_PARAMETER", 200), ("PLAY", 501), ("", 501), ("options", 501)],
)
def test_what_a_server_asks_of_us_is_answered_under_its_number(method: str, status: int) -> None:
    (reply,) = Parser().feed(client().reply(Message(f"{method} * RTSP/1.0", [("CSeq", "77")])))
    assert isinstance(reply, Message)
    assert (reply.status, reply.get("cseq")) == (status, "77")


def test_a_server_that_asks_us_to_leave_is_left_and_may_be_asked_again() -> None:
    with pytest.raises(RefusedError, match="asks us to connect again") as caught:
        client().reply(Message("REDIRECT * RTSP/1.0", [("CSeq", "7"), ("Location", "/other")]))
    assert caught.value.away
    with pytest.raises(RefusedError, match="another server") as caught:
        client().reply(Message("REDIRECT * RTSP/1.0", [("CSeq", "7"), ("Location", "rtsp://other/")]))
    assert not caught.value.away


@pytest.mark.parametrize(
    ("status", "said", "away", "retry_s"),
    [
        ("401 Unauthorized", "wrong or missing password", False, 30),
        ("403 Forbidden", "wrong or missing password", False, 30),
        ("404 Not Found", "the server answers 404 Not Found to SETUP", False, 0.5),
        ("453 Not Enough Bandwidth", "the server answers 453 Not Enough Bandwidth to SETUP", True, 0.5),
        ("500 Internal Server Error", "the server answers 500 Internal Server Error to SETUP", True, 0.5),
    ],
)
def test_a_refusal_says_what_and_whether_it_may_pass(status: str, said: str, away: bool, retry_s: float) -> None:
    refusal = client().refusal("SETUP", answer(status))
    assert refusal is not None
    assert (refusal.what, str(refusal), refusal.away, refusal.retry_s) == (said, said, away, retry_s)
    assert refusal.status == int(status[:3])


def test_a_server_that_talks_without_end_is_repeated_in_a_line() -> None:
    refusal = client().refusal("SETUP", answer(f"500 {'x' * 200_000}"))
    assert refusal is not None
    assert len(str(refusal)) < 200
    made = client()
    made.again(Request("DESCRIBE", URL), answer("401 No", WWW_Authenticate=f"{'x' * 2000} realm=1"))
    refusal = made.refusal("DESCRIBE", answer("401 No"))
    assert refusal is not None
    assert len(str(refusal)) < 200
    with pytest.raises(RefusedError, match="not followed") as error:
        made.moved(f"rtsp://me:secret@{'x' * 2000}/")
    assert len(str(error.value)) < 200
    assert "secret" not in str(error.value)


def test_a_good_answer_is_no_refusal() -> None:
    assert client().refusal("SETUP", answer("200 OK")) is None
    assert client().refusal("SETUP", answer("299 Odd")) is None


def test_a_way_to_log_in_that_is_not_known_is_named() -> None:
    made, refused = client(), answer("401 Unauthorized", WWW_Authenticate="Negotiate")
    assert made.again(Request("DESCRIBE", URL), refused) is None
    refusal = made.refusal("DESCRIBE", refused)
    assert refusal is not None
    assert refusal.what == "wrong or missing password: the server asks for negotiate, unknown here"
