"""URLs as people write them: where what stands, and what is shown of it."""

from __future__ import annotations

import pytest

from streamseg.errors import InputError
from streamseg.net.urls import Address, read_address, read_addresses, with_login


@pytest.mark.parametrize(
    ("uri", "login", "bare", "name"),
    [
        ("rtsp://cam/1", None, "rtsp://cam/1", "rtsp://cam/1"),
        ("RTSP://Cam", None, "rtsp://Cam", "rtsp://Cam"),
        ("rtsp://u:p@cam:8554/1?a=b", ("u", "p"), "rtsp://cam:8554/1?a=b", "rtsp://***@cam:8554/1?a=b"),
        ("rtsp://u@cam/1", ("u", ""), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:@cam/1", ("u", ""), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://:p@cam/1", ("", "p"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://@cam/1", None, "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:a:b@cam/1", ("u", "a:b"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:p%40%2F%41@cam/1", ("u", "p@/A"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:100%@cam/1", ("u", "100%"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:my pass@cam/1", ("u", "my pass"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://ü:ß@cam/ä b", ("ü", "ß"), "rtsp://cam/%C3%A4%20b", "rtsp://***@cam/ä b"),
        ("rtsp://u:p/w@cam/1", ("u", "p/w"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:12/34@10.0.0.5/1", ("u", "12/34"), "rtsp://10.0.0.5/1", "rtsp://***@10.0.0.5/1"),
        ("rtsp://u:p@[::1]:554/1", ("u", "p"), "rtsp://[::1]:554/1", "rtsp://***@[::1]:554/1"),
        ("http://cam/a?token=t&b=c#d", None, "http://cam/a?token=t&b=c", "http://cam/a?token=***&b=c"),
        ("http://bücher.example/1", None, "http://xn--bcher-kva.example/1", "http://bücher.example/1"),
        ("http://cam?a=b", None, "http://cam?a=b", "http://cam?a=b"),
        ("http://cam:8080/a@b", None, "http://cam:8080/a@b", "http://cam:8080/a@b"),
        ("rtsp://u:${PW}@cam/1", ("u", "p#s/?%41@:"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://${WHO}:a%20${PW}${WHO}@cam/1", ("me", "a p#s/?%41@:me"), "rtsp://cam/1", "rtsp://***@cam/1"),
        ("rtsp://${HOST}:${PORT}/1", None, "rtsp://10.0.0.5:8554/1", "rtsp://10.0.0.5:8554/1"),
        ("http://cam/${PLACE}/1", None, "http://cam/a%20b/c%3Fd%25/1", "http://cam/${PLACE}/1"),
        ("http://cam/v?token=${PW}", None, "http://cam/v?token=p%23s/%3F%2541%40%3A", "http://cam/v?token=***"),
    ],
)
def test_each_part_is_taken_from_its_place(
    uri: str, login: tuple[str, str] | None, bare: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"PW": "p#s/?%41@:", "WHO": "me", "HOST": "10.0.0.5", "PORT": "8554", "PLACE": "a b/c?d%"}
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    address = read_address(uri)
    assert (address.login, address.bare, address.name) == (login, bare, name)
    assert "p#s" not in repr(address) or login is None


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("rtsp://u:12/hunter2@cam/1", "where the password ends cannot be told"),
        ("rtsp://u:a@hunter2@x/hunter2@cam/1", "where the password ends cannot be told"),
        ("rtsp://u:hunter2${NOWHERE}@cam/1", "the environment has no NOWHERE"),
        ("rtsp://u:hunter2@", "not understood"),
        ("rtsp://u:hunter2@/1", "not understood"),
        ("rtsp://u:hunter2@cam:0/1", "not understood"),
        ("rtsp://u:hunter2@cam:99999/1", "not understood"),
        ("rtsp://u:hunter2@cam:port/1", "not understood"),
        ("rtsp://u:hunter2@two words/1", "not understood"),
        ("rtsp://u:hunter2@a..b/1", "no host can have that name"),
        ("rtsps://u:hunter2@.cam/1", "no host can have that name"),
        (f"http://u:hunter2@{'a' * 64}.org/1", "no host can have that name"),
        ("rtsp://u\nX:hunter2@cam/1", "control character"),
        ("rtsp://${LOGIN}/1", "not understood"),  # what stands in a variable is no syntax
    ],
)
def test_what_is_not_understood_is_one_line_without_a_secret(
    uri: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGIN", "u:hunter2@cam")
    with pytest.raises(InputError, match=said) as caught:
        read_address(uri)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_url_that_somebody_else_wrote_reads_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "hunter2")
    with pytest.raises(InputError, match="the environment has no PW"):
        read_address("http://other/?x=${PW}", environment={})


def test_a_login_in_the_url_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_USER", "admin")
    monkeypatch.setenv("STREAMSEG_PASSWORD", "a/b@c")
    assert with_login(read_address("rtsp://cam/1")).login == ("admin", "a/b@c")
    assert with_login(read_address("rtsp://x@cam/1")).login == ("x", "")
    monkeypatch.delenv("STREAMSEG_USER")
    assert with_login(read_address("rtsp://cam/1")).login is None


HERE = read_address("rtsp://u:p@Cam.local:554/a/b?x=1")


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("rtsp://cam.local/z", "rtsp://Cam.local:554/z"),
        ("rtsp://x:y@CAM.LOCAL./z?y=2", "rtsp://Cam.local:554/z?y=2"),
        ("/z", "rtsp://Cam.local:554/z"),
        ("z", "rtsp://Cam.local:554/a/z"),
        ("?z", "rtsp://Cam.local:554/a/b?z"),
        ("//cam.local/z z", "rtsp://Cam.local:554/z%20z"),
        ("/\udcff", "rtsp://Cam.local:554/%FF"),  # Latin-1, say
        ("rtsp://cam.local:555/", None),
        ("rtsp://cam..local/", None),
        ("rtsp://\udcff/", None),
        ("rtsps://cam.local/", None),
        ("rtsp://other/", None),
        ("//other/", None),
        ("http://cam.local:554/", None),
        ("rtsp://cam.local:99999/", None),
        ("rtsp://[cam.local/", None),
        ("rtsp://cam.local\\@other/", None),
        ("rtsp://cam.local@other/", None),
    ],
)
def test_a_redirect_leads_within_the_server_or_nowhere(location: str, leads: str | None) -> None:
    there = HERE.moved(location)
    assert (there.bare if there else None) == leads
    assert there is None or (there.login, there.name) == (HERE.login, HERE.name)


@pytest.mark.parametrize("written", ["bücher.example", "xn--bcher-kva.example", "BÜCHER.example"])
def test_a_redirect_may_write_a_host_in_other_letters(written: str) -> None:
    there = read_address("http://bücher.example/a").moved(f"http://{written}/b")
    assert there is not None
    assert there.bare == "http://xn--bcher-kva.example/b"


def test_an_address_shows_no_password_when_it_is_printed() -> None:
    assert "hunter2" not in repr(Address("rtsp", "cam", None, "/1", ("u", "hunter2"), "rtsp://***@cam/1"))


def test_a_password_with_signs_of_the_syntax_goes_to_every_host() -> None:
    found = read_addresses("kafka://me:p@ss,word@a:9092,[::1]/topic")
    assert [(each.place, each.login) for each in found] == [
        (("a", 9092), ("me", "p@ss,word")),
        (("::1", 9092), ("me", "p@ss,word")),
    ]
