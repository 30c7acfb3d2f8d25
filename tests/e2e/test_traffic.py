"""Who calls what, and how well: what sidecars report shows in `tullectl stat` and `edges`."""
import contextlib
import json
import os
import sqlite3

import processes
import pytest
import raw
from mesh import Mesh
from origin import reply


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    yield mesh
    mesh.close()


def link(mesh, source, service):
    """The link of that name in the last minute, or None."""
    links = json.loads(mesh.tullectl("edges", "-o", "json"))["links"]
    return next((each for each in links if (each["source"]["name"], each["service"]["name"]) == (source, service)), None)


def with_requests(mesh, count):
    found = link(mesh, "caller", "web")
    return found if found is not None and found["requests"] >= count else None


def test_requests_and_their_failures_are_reported(mesh):
    web, caller = mesh.add("web"), mesh.add("caller")
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "the mesh answers")
    answered = processes.wait_until(lambda: with_requests(mesh, 1), "the first report", 30)["requests"]
    for _ in range(20):
        assert raw.get(caller.outbound, "/", host="web").status == 200
    web.origin.answer = lambda request, sock: reply(b"", "500 Internal Server Error")
    for _ in range(5):
        assert raw.get(caller.outbound, "/", host="web").status == 500
    found = processes.wait_until(lambda: with_requests(mesh, answered + 25), "they are reported", 30)
    assert (found["requests"], found["failures"]) == (answered + 25, 5), found
    assert found["mutualTls"] == found["requests"], found
    assert found["outcomes"] == [{"code": 500, "flags": "", "count": 5, "failure": True}], found
    assert found["source"]["spiffeId"].endswith("/sa/caller") and found["destinations"][0]["spiffeId"].endswith("/sa/web"), found
    assert 0 < found["latencyMs"]["p50"] <= found["latencyMs"]["p99"], found

    edge = next(line for line in mesh.tullectl("edges").splitlines() if line.startswith("caller.default"))
    assert edge.split()[:5] == ["caller.default", "web.default", "web.default", "http", "yes"], edge
    row = next(line for line in mesh.tullectl("stat", "-o", "wide").splitlines() if line.startswith("web.default"))
    assert "500 (5)" in row, row
    assert mesh.tullectl("edges", "web", "--from", "caller.default").splitlines()[1:] and not mesh.tullectl("edges", "web", "--from", "web.default")


SPLIT = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: split}
spec:
  parentRefs: [{kind: Service, group: "", name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /both}}]
    backendRefs: [{name: web, port: 80, weight: 1}, {name: other, port: 80, weight: 1}]
  - backendRefs: [{name: web, port: 80}]
"""


def test_traffic_is_shown_by_route_and_backend(mesh):
    mesh.add("web")
    mesh.add("other")
    caller = mesh.add("caller")
    mesh.apply(SPLIT)

    def rows():
        for path in ("/both", "/rest"):
            assert raw.get(caller.outbound, path, host="web").status == 200
        lines = [line.split() for line in mesh.tullectl("stat", "web", "--by", "route").splitlines()[1:]]
        return {(line[1], line[2]) for line in lines if line[0] == "web.default"}
    wanted = {("default/split[0][0]", "web.default"), ("default/split[0][0]", "other.default"), ("default/split[1][0]", "web.default")}
    processes.wait_until(lambda: raw.get(caller.outbound, "/rest", host="web").status == 200, "the mesh answers")
    processes.wait_until(lambda: wanted <= rows(), "each route and backend has a row", 40)
    links = json.loads(mesh.tullectl("stat", "web", "--by", "route", "-o", "json"))["links"]
    assert all(each["requests"] > 0 and each["latencyMs"]["p99"] > 0 and each["source"]["name"] == "caller" for each in links), links


def test_what_did_not_arrive_is_reported_by_the_caller(mesh):
    web, caller = mesh.add("web"), mesh.add("caller")
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "the mesh answers")
    web.sidecar.stop(9)
    assert raw.get(caller.outbound, "/", host="web").status == 503
    found = processes.wait_until(lambda: (lambda one: one if one and one["failures"] else None)(link(mesh, "caller", "web")), "the failure is reported", 30)
    assert found["outcomes"][0]["code"] == 503 and found["outcomes"][0]["flags"], found


def test_a_new_control_plane_hears_what_happens_from_then_on(mesh):
    mesh.add("web")
    caller = mesh.add("caller")
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "the mesh answers")
    processes.wait_until(lambda: with_requests(mesh, 1), "the first report", 30)
    mesh.kill_control()
    mesh.start_control()
    assert raw.get(caller.outbound, "/", host="web").status == 200
    processes.wait_until(lambda: with_requests(mesh, 1), "the new control plane is told", 40)


def test_a_restart_does_not_forget_it_if_it_is_kept(tmp_path):
    mesh = Mesh(tmp_path, "--keep-traffic")
    try:
        _, caller = mesh.add("web"), mesh.add("caller")
        processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "the mesh answers")
        processes.wait_until(lambda: with_requests(mesh, 1), "it is reported", 30)
        file = os.path.join(mesh.data, "traffic.db")
        assert os.stat(file).st_mode & 0o777 == 0o600

        def is_written():
            with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % file, uri=True)) as database:
                return database.execute("SELECT count(*) FROM minutes WHERE edge LIKE '%caller%'").fetchone()[0] > 0
        processes.wait_until(is_written, "the minute has ended and is written", 180)
        caller.sidecar.stop(9)
        mesh.kill_control()
        mesh.start_control()
        links = json.loads(mesh.tullectl("edges", "-t", "10m", "-o", "json"))["links"]
        assert [each["requests"] > 0 for each in links if each["source"]["name"] == "caller"] == [True], links
    finally:
        mesh.close()
