"""The whole service in one process: uploads become jobs, workers make them searchable, tenants see their own."""

import hashlib
import json
import time

import pytest
from fastapi.testclient import TestClient

from paperlode.api import answer_models, job_models, models
from paperlode.api.app import create_service_app
from paperlode.api.routes import audit, keys, ready
from paperlode.api.service.keys import Scope
from paperlode.api.service.remote_index import RemoteIndex
from paperlode.api.service.service import Limits, Service
from paperlode.api.service.worker import Worker
from paperlode.api.values import IngestOptions


@pytest.fixture
def service(tmp_path, word_model):
    made = Service(
        tmp_path / "service", word_model, workers=0, limits=Limits(file_bytes=1 << 20, jobs=50, collections=3)
    )
    yield made
    made.close()


@pytest.fixture
def key_of(service):
    """A key of a tenant."""

    def made(tenant="acme", scope=Scope.WRITE):
        return service.keys.make(service.tenants.id_of(tenant), name="test", scope=scope)[0]

    return made


@pytest.fixture
def client_of(service, key_of):
    """A client with a key of a tenant."""
    app = create_service_app(service, with_keys=True, hosts=("testserver",))

    def made(tenant="acme", scope=Scope.WRITE):
        return TestClient(
            app, headers={"Authorization": f"Bearer {key_of(tenant, scope)}"}, raise_server_exceptions=False
        )

    return made


@pytest.fixture
def work(service, word_model, parser):
    """Does all jobs that wait."""

    def done():
        owner = service.owner
        worker = Worker(
            service.queue,
            service.places,
            lambda c: RemoteIndex(owner.address, owner.secret, c),
            word_model,
            options=IngestOptions(),
            name=f"w{time.monotonic_ns()}",
            parser=lambda: parser,
        )
        worker.run(until_idle=True)

    return done


def upload(client, path, **query):
    return client.post("/v1/documents", params={"name": path.name, **query}, content=path.read_bytes())


def test_from_upload_to_hit(client_of, docs, work):
    """The file is taken, its job ends, and a search finds it with its page; it can be had as it was, read, and deleted."""
    client = client_of()
    answer = upload(client, docs / "manual.pdf")
    assert answer.status_code == 202
    job = answer.json()
    assert (job["state"], job["name"], job["collection"]) == ("queued", "manual.pdf", "default")
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    work()
    job = client.get(answer.headers["Location"]).json()
    assert (job["state"], job["pages_done"], job["pages_failed"]) == ("done", job["pages"], 0)
    (hit,) = client.get("/v1/search", params={"q": "pump", "limit": 1}).json()["hits"]
    digest = hashlib.sha256((docs / "manual.pdf").read_bytes()).hexdigest()
    assert (hit["name"], hit["document"], job["content"]) == ("manual.pdf", digest, digest)
    assert client.get(hit["picture"]).content.startswith(b"\x89PNG")
    original = client.get(f"/v1/documents/{digest}/original")
    assert original.content == (docs / "manual.pdf").read_bytes()
    assert original.headers["Content-Disposition"].startswith("attachment")
    assert "pump" in client.get(f"/v1/documents/{digest}/markdown").text
    assert client.get(f"/v1/documents/{digest}/json").json()
    assert client.delete(f"/v1/documents/{digest}").status_code == 204
    assert client.get(f"/v1/documents/{digest}").status_code == 404
    assert client.get("/v1/search", params={"q": "pump"}).json()["hits"] == []
    assert upload(client, docs / "manual.pdf").json()["id"] != job["id"]
    work()
    assert len(client.get("/v1/search", params={"q": "pump"}).json()["hits"]) == 1


def test_tenants_see_their_own(client_of, docs, work):
    """The other's documents, jobs, pictures and hits are not there, as if they had never been."""
    mine, theirs = client_of("acme"), client_of("other")
    job = upload(mine, docs / "manual.pdf").json()
    work()
    assert theirs.get("/v1/search", params={"q": "pump"}).json()["hits"] == []
    assert theirs.get("/v1/documents").json()["documents"] == []
    assert theirs.get("/v1/jobs").json()["jobs"] == []
    never, digest = "2c6e7f0e-5f59-4b7e-9d0c-0a4a3b1f6c11", job["content"]
    for method, path in (
        ("get", "/v1/jobs/{}"),
        ("post", "/v1/jobs/{}/cancel"),
        ("post", "/v1/jobs/{}/retry"),
    ):
        there, not_there = (getattr(theirs, method)(path.format(i)) for i in (job["id"], never))
        assert there.status_code == not_there.status_code == 404
        assert there.text.replace(job["id"], "X") == not_there.text.replace(never, "X")
    unknown = "0" * 64
    for path in ("", "/original", "/markdown", "/pages/0/picture.png", "/follow?label=a"):
        there, not_there = (theirs.get(f"/v1/documents/{d}{path}") for d in (digest, unknown))
        assert there.status_code == not_there.status_code == 404
        assert there.text.replace(digest, "X") == not_there.text.replace(unknown, "X")
    assert theirs.delete(f"/v1/documents/{digest}").status_code == 404
    assert mine.get(f"/v1/documents/{digest}").status_code == 200


def test_keys_are_asked_for_and_their_scope_is_kept(client_of, service, docs):
    """No key and a wrong one are refused alike (401), one that allows too little is told so (403)."""
    client = client_of("acme", Scope.READ)
    assert client.get("/v1/search", params={"q": "a"}).status_code == 200
    refused = upload(client, docs / "manual.pdf")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer pk_wrong"}, {"Authorization": "Basic abc"}):
        answer = client.get("/v1/search", params={"q": "a"}, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    (record,) = [k for k in service.keys.all() if k.scope is Scope.READ]
    service.keys.revoke(record.id)
    assert client.get("/v1/search", params={"q": "a"}).status_code == 401


def test_without_keys_whoever_calls_is_one_tenant(service, docs, work):
    """With every right: for one's own machine."""
    client = TestClient(create_service_app(service, with_keys=False, hosts=("testserver",)))
    assert upload(client, docs / "manual.pdf").status_code == 202
    work()
    assert len(client.get("/v1/search", params={"q": "pump"}).json()["hits"]) == 1


def test_collections_are_indexes_of_their_own(client_of, docs, work, service):
    """A document of one is not found in another; a collection goes with all that it has."""
    client = client_of()
    assert client.post("/v1/collections", json={"name": "contracts"}).status_code == 201
    upload(client, docs / "lease.pdf", collection="contracts")
    upload(client, docs / "manual.pdf")
    work()
    found = client.get("/v1/search", params={"q": "pump", "collection": "contracts"}).json()["hits"]
    assert "manual.pdf" not in {h["name"] for h in found}
    assert [c["name"] for c in client.get("/v1/collections").json()["collections"]] == ["contracts", "default"]
    assert [j["name"] for j in client.get("/v1/jobs", params={"collection": "contracts"}).json()["jobs"]] == [
        "lease.pdf"
    ]
    folder = service.places.whole(service.tenants.collection(service.tenants.id_of("acme"), "contracts").id)
    assert folder.exists()
    assert client.delete("/v1/collections/contracts").status_code == 204
    assert not folder.exists()
    assert client.get("/v1/search", params={"q": "a", "collection": "contracts"}).status_code == 404
    assert client.delete("/v1/collections/contracts").status_code == 404
    for n in range(2):
        assert client.post("/v1/collections", json={"name": f"c{n}"}).status_code == 201
    assert client.post("/v1/collections", json={"name": "one-more"}).status_code == 429


def test_what_cannot_be_taken_is_refused_at_once(client_of, docs, service):
    """Too large (413), no document (415), empty (422): nothing of it is kept, and no job is made."""
    client = client_of()

    def send(content, name="a.pdf"):
        return client.post("/v1/documents", params={"name": name}, content=content)

    assert send(b"%PDF-1.7" + b" " * (1 << 20)).status_code == 413
    assert send(iter([b"%PDF-1.7", b" " * (1 << 20)])).status_code == 413
    assert (send(b"MZ nothing").status_code, send(b"").status_code) == (415, 422)
    assert client.get("/v1/jobs").json()["jobs"] == []
    acme = service.tenants.id_of("acme")
    folder = service.places.files(service.tenants.collection(acme, "default").id)
    assert list(folder.iterdir()) == []


def test_names_of_files_become_no_paths(client_of, docs, service):
    """Whatever a file is called, it lies in its collection, and its job says a harmless name."""
    client = client_of()
    data = (docs / "manual.pdf").read_bytes()
    for n, name in enumerate(
        ("../../etc/passwd.pdf", "/etc/x.pdf", "..", "a\u202eb.pdf", "x" * 255, "C:\\a\\b.pdf", "CON", "名字.pdf")
    ):
        answer = client.post("/v1/documents", params={"name": name}, content=data + b"%%" + bytes([65 + n]))
        assert answer.status_code == 202
        kept = answer.json()["name"]
        assert "/" not in kept
        assert "\\" not in kept
        assert kept not in {"", ".", ".."}
        assert kept.endswith(".pdf")
    acme = service.tenants.id_of("acme")
    folder = service.places.files(service.tenants.collection(acme, "default").id).resolve()
    job = client.get("/v1/jobs").json()["jobs"][0]
    found = service.queue.get(acme, job["id"]).file.path
    assert str(folder) in found


def test_jobs_are_listed_cancelled_and_retried(client_of, docs):
    """Page by page; a cursor that is none is refused."""
    client = client_of()
    data = (docs / "manual.pdf").read_bytes()
    for n in range(5):
        client.post("/v1/documents", params={"name": f"{n}.pdf"}, content=data + b"%%" + bytes([65 + n]))
    first = client.get("/v1/jobs", params={"limit": 3}).json()
    second = client.get("/v1/jobs", params={"limit": 3, "cursor": first["next"]}).json()
    assert [j["name"] for j in first["jobs"] + second["jobs"]] == ["4.pdf", "3.pdf", "2.pdf", "1.pdf", "0.pdf"]
    assert second["next"] is None
    assert client.get("/v1/jobs", params={"cursor": "nonsense"}).status_code == 422
    job = first["jobs"][0]["id"]
    assert client.post(f"/v1/jobs/{job}/retry").status_code == 409
    assert client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert [j["id"] for j in client.get("/v1/jobs", params={"state": "cancelled"}).json()["jobs"]] == [job]
    assert client.post(f"/v1/jobs/{job}/retry").json()["state"] == "queued"


def test_whoever_watches_it_is_told_how_it_is(client_of, service):
    """Without a key: that it lives, and whether it can be sent work."""
    client = client_of()
    client.headers.pop("Authorization")
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    service._workers = 1  # and none runs
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["parts"]["workers"]) == (503, "none is running")


def test_what_happens_to_a_job_can_be_followed(client_of, docs, work):
    """Each step once, in order; who comes back with the last number seen gets what came after it; it ends with the job."""
    client = client_of()
    job = upload(client, docs / "manual.pdf").json()["id"]
    work()
    whole = events(client.get(f"/v1/jobs/{job}/events"))
    assert [e["state"] for _, e in whole][-1] == "done"
    assert [n for n, _ in whole] == sorted({n for n, _ in whole})
    last = whole[-1][0]
    before = client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(last - 1)})
    assert [n for n, _ in events(before)] == [last]
    assert client_of("other").get(f"/v1/jobs/{job}/events").status_code == 404


def events(answer):
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    out = []
    for block in answer.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            assert fields["event"] == "job"
            out.append((int(fields["id"]), json.loads(fields["data"])))
    return out


def test_documents_are_listed_page_by_page(client_of, pdf_writer, tmp_path, work):
    """By name, each once, also those of the same name."""
    client = client_of()
    for n in range(7):
        path = pdf_writer(tmp_path / f"{n}.pdf", [[f"Clause {n} about zebras."]])
        client.post("/v1/documents", params={"name": f"{n // 2}.pdf"}, content=path.read_bytes())
    work()
    seen, cursor = [], {}
    while True:
        page = client.get("/v1/documents", params={"limit": 3, **cursor}).json()
        assert len(page["documents"]) <= 3
        seen += [(d["name"], d["id"]) for d in page["documents"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == sorted(seen)
    assert [name for name, _ in seen] == ["0.pdf", "0.pdf", "1.pdf", "1.pdf", "2.pdf", "2.pdf", "3.pdf"]
    assert len(set(seen)) == 7


def test_admins_manage_the_keys_of_their_tenant(client_of, service):
    """A key is told once; those of another tenant are not there; whoever is no admin is refused."""
    client = client_of("acme", Scope.ADMIN)
    made = client.post("/v1/keys", json={"name": "laptop", "scope": "read", "days": 2}).json()
    assert (
        client.get("/v1/search", params={"q": "a"}, headers={"Authorization": f"Bearer {made['key']}"}).status_code
        == 200
    )
    listed = client.get("/v1/keys").json()["keys"]
    assert [k["name"] for k in listed] == ["test", "laptop"]
    assert made["key"].split("_", 2)[2] not in str(listed)
    other = client_of("other", Scope.ADMIN)
    assert len(other.get("/v1/keys").json()["keys"]) == 1
    there, never = (other.delete(f"/v1/keys/{k}") for k in (made["id"], "000000000000"))
    assert there.status_code == never.status_code == 404
    assert there.text.replace(made["id"], "X") == never.text.replace("000000000000", "X")
    assert client.delete(f"/v1/keys/{made['id']}").status_code == 204
    assert (
        client.get("/v1/search", params={"q": "a"}, headers={"Authorization": f"Bearer {made['key']}"}).status_code
        == 401
    )
    assert client_of("acme", Scope.WRITE).get("/v1/keys").status_code == 403


def test_a_first_key_closes_a_service_that_runs(service):
    """Where nothing else was said: from the next request on a key is asked for."""
    client = TestClient(create_service_app(service, with_keys=None, hosts=("testserver",)))
    assert client.get("/v1/documents").status_code == 200
    key, _ = service.keys.make(service.tenants.id_of("local"), name="first", scope=Scope.READ)
    assert client.get("/v1/documents").status_code == 401
    assert client.get("/v1/documents", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_every_schema_has_an_example_that_fits(client_of):
    """Each model in the OpenAPI document has an example, and the model takes it and gives it back."""
    document = client_of().get("/openapi.json").json()
    places = (models, answer_models, job_models, keys, ready, audit)
    seen = set()
    for name, schema in document["components"]["schemas"].items():
        if schema.get("type") != "object":
            continue
        model = next(m for place in places if (m := getattr(place, name, None)))
        (example,) = schema["examples"]
        assert model.model_validate(example).model_dump(mode="json", exclude_unset=True) == example
        seen.add(name)
    assert seen >= {"JobOut", "JobList", "CollectionOut", "KeyMade", "Ready", "DocumentList"}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/v1"):
                assert operation["security"] == [{"key": []}], (method, path)


def test_what_is_changed_is_noted(client_of, docs):
    """Who, what, when and how it ended, also what was refused; not what was only looked at, nor what another tenant did."""
    client, reader = client_of("acme", Scope.ADMIN), client_of("acme", Scope.READ)
    answer = client.post(
        "/v1/documents",
        params={"name": "a.pdf"},
        content=(docs / "manual.pdf").read_bytes(),
        headers={"X-Request-ID": "my-own.1"},
    )
    assert answer.headers["X-Request-ID"] == "my-own.1"
    client.get("/v1/search", params={"q": "pump"})
    client.delete("/v1/documents/" + "0" * 64)
    assert reader.post("/v1/collections", json={"name": "b"}).status_code == 403
    client_of("other", Scope.ADMIN).post("/v1/collections", json={"name": "theirs"})
    rows = client.get("/v1/audit", params={"limit": 2}).json()
    rest = client.get("/v1/audit", params={"limit": 2, "cursor": rows["next"]}).json()
    assert rest["next"] is None
    found = [(r["method"], r["path"], r["status"]) for r in rows["requests"] + rest["requests"]]
    assert found == [
        ("POST", "/v1/collections", 403),
        ("DELETE", "/v1/documents/" + "0" * 64, 404),
        ("POST", "/v1/documents", 202),
    ]
    assert rest["requests"][0]["request"] == "my-own.1"
    evil = client.get("/v1/documents", headers={"X-Request-ID": "a b\tc"})
    assert evil.headers["X-Request-ID"].isalnum()


def test_metrics_tell_how_it_goes(client_of, docs, work):
    """Requests by endpoint, never by what a caller makes up; the queue; to admins of those who run it alone."""
    client = client_of("local", Scope.ADMIN)
    upload(client, docs / "manual.pdf")
    client.get("/v1/documents/made-up-by-a-caller")
    client.get("/v1/nowhere-at-all")
    text = client.get("/metrics").text
    assert 'paperlode_jobs{state="queued"} 1.0' in text
    assert 'paperlode_requests_total{method="POST",route="/documents",status="202"} 1.0' in text
    assert "made-up" not in text
    assert "nowhere" not in text
    work()
    text = client.get("/metrics").text
    assert 'paperlode_jobs{state="done"} 1.0' in text
    assert 'paperlode_job_pages{outcome="read"}' in text
    assert "paperlode_queue_age_seconds 0.0" in text
    assert client_of("local", Scope.WRITE).get("/metrics").status_code == 403
    assert client_of("other", Scope.ADMIN).get("/metrics").status_code == 403


def test_a_page_of_another_site_changes_nothing(service, docs):
    """Though it needs no key on this machine, and a browser lets it send: neither an upload nor a cancellation."""
    client = TestClient(create_service_app(service, with_keys=False, hosts=("testserver",)))
    for origin in ("http://evil.example", "null", "http://testserver.evil.example", "http://testserver:81", "["):
        client.headers["Origin"] = origin
        refused = upload(client, docs / "manual.pdf")
        assert (refused.status_code, refused.json()["code"]) == (403, "foreign_page")
    client.headers["Origin"] = "http://testserver"
    assert upload(client, docs / "manual.pdf").status_code == 202
