"""The OpenAPI document is valid, says of every route what is true, and is the one in the documentation."""

from __future__ import annotations

import json
from pathlib import Path

from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from streamseg.serve.auth import Tokens
from streamseg.serve.guard import Access
from streamseg.serve.openapi import document
from streamseg.serve.supervisor import Streams
from streamseg.serve.web import make_app
from tests.parts.service import Service

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"


def test_the_document_is_valid_and_the_one_in_the_documentation() -> None:
    validate(document())
    assert json.loads(PUBLISHED.read_text()) == document(), "python tools/docs_reference.py"


def test_it_names_every_route_and_no_other(tmp_path: Path) -> None:
    app = make_app(Streams(tmp_path / "site.yaml"), Access(Tokens(None, {"operator": "x" * 16})))
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert served == {(method, path) for path, methods in document()["paths"].items() for method in methods}


def test_parts_of_files_and_what_a_service_that_is_not_ready_says_are_in_it() -> None:
    paths = document()["paths"]
    film = paths["/streams/{name}/recordings/{file}"]["get"]["responses"]
    assert film["206"]["content"] == film["200"]["content"]
    assert {"video/mp4", "video/x-matroska"} <= film["200"]["content"].keys()
    event = paths["/streams/{name}/events/{file}"]["get"]["responses"]
    assert event["200"]["content"] == {"video/mp4": {}, "image/jpeg": {}}
    part = paths["/streams/{name}/hls/{list}/{file}"]["get"]["responses"]
    assert part["200"]["content"] == {"application/vnd.apple.mpegurl": {}, "video/mp2t": {}}
    ready = paths["/readyz"]["get"]["responses"]
    assert ready["503"]["content"] == ready["200"]["content"]


def test_what_a_service_says_fits_the_document(tmp_path: Path) -> None:
    site = "streams: {a: {source: 'test://?size=64x64&fps=20', model: otsu,"
    site += " rules: {bright: foreground.area > 1 %, dark: background.area > 100 %}}}"
    with Service(tmp_path, site) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        told = json.loads(service.get("/openapi.json")[1])
        assert told == document()
        for path in ("/streams", "/readyz", "/healthz"):
            schema = told["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            OAS31Validator({**schema, "components": told["components"]}).validate(json.loads(service.get(path)[1]))
        classes = service.streams()["a"]["classes"]
        assert len(classes) == 2
        assert abs(sum(each["area"] for each in classes.values()) - 1) < 1e-3
        assert all(each["objects"] is None for each in classes.values())
        bright, dark = service.streams()["a"]["rules"]
        assert (bright["name"], bright["rule"], bright["unit"]) == ("bright", "foreground.area > 1 %", "%")
        assert bright["since"].startswith("20") and bright["value"] > 1 and bright["events"] == 1
        assert dark["since"] == "" and dark["value"] < 100 and dark["events"] == 0


def test_generators_of_clients_can_read_it_and_lead_to_the_service_that_gave_it() -> None:
    assert document()["servers"] == [{"url": "/"}]
    click = document()["components"]["schemas"]["Pointed"]["properties"]["click"]["anyOf"][0]
    assert (click["minItems"], click["maxItems"], "items" in click) == (2, 2, False)
    assert '"items": false' not in json.dumps(document())


def test_what_is_refused_without_json_has_a_body_of_it(tmp_path: Path) -> None:
    token = "0123456789abcdef"
    site = "streams: {a: {source: 'test://?size=64x64&fps=20', model: otsu}}"
    told = document()["paths"]
    with Service(tmp_path, site, env={"STREAMSEG_OPERATOR_TOKEN": token}) as service:
        for path, method in (("/streams/a/stop", "post"), ("/streams/a/prompts", "delete"), ("/reload", "post")):
            assert service.get(path, {"Authorization": f"Bearer {token}"}, method.upper())[0] == 415, path
            body = told[path.replace("/a", "/{name}")][method]["requestBody"]
            assert (body["required"], body["content"]["application/json"]["example"]) == (True, {}), path
        assert service.send("POST", "/streams/a/stop", token, {}) == (200, {"done": "1 stream stopped"})
    for path, methods in told.items():
        for method, each in methods.items():
            assert ("415" in each["responses"]) == ("requestBody" in each), (method, path)


def test_what_a_refusal_carries_is_in_it(tmp_path: Path) -> None:
    token = "0123456789abcdef"
    site = "streams: {a: {source: 'rtsp://127.0.0.1:9/none', model: otsu}}"
    with Service(tmp_path, site, env={"STREAMSEG_OPERATOR_TOKEN": token}) as service:
        for path, real in (("", "/streams/b"), ("/zones", "/streams/a/zones"), ("/trial", "/streams/b/trial")):
            told = document()["paths"]["/streams/{name}" + path]["get"]["responses"]["404"]
            with service.open(real, {"Authorization": f"Bearer {token}"}) as response:
                given = response.getheader("Content-Type", "").partition(";")[0]
                assert (response.status, set(told.get("content", {"text/plain": {}}))) == (404, {given}), path
        told = document()["paths"]["/session"]["post"]["responses"]
        for body, refused in (({}, 422), ({"token": "wrong"}, 401)):
            status, line = service.send("POST", "/session", token, body)
            assert (status, set(line)) == (refused, {"error"})
            assert told[str(refused)]["content"].keys() == {"application/json"}, refused
