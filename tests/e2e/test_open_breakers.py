"""An open circuit breaker is visible to an operator of the mesh: status, services, proxy-config endpoints and check, and gone when it has closed."""
import json

import processes
import pytest
import raw
from mesh import Mesh, Refused
from origin import reply

POLICY = """apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: web}
spec:
  targetRef: {kind: Service, name: web}
  retries: {attempts: 0}
  breaker: {consecutiveFailures: 3, on: all5xx, openFor: 1s, maxOpenFor: 1s}
"""


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    yield mesh
    mesh.close()


def circuit_breakers(mesh):
    """The finding of `tullectl check`, which fails while a breaker is open."""
    try:
        items = json.loads(mesh.tullectl("check", "-o", "json"))["items"]
    except Refused as refused:
        start = str(refused).index("{")
        items = json.loads(str(refused)[start:])["items"]
    return next(item for item in items if item["name"] == "circuit breakers")


def opened(mesh, caller):
    raw.get(caller.outbound, "/", host="web")
    return not circuit_breakers(mesh)["ok"]


def test_an_open_breaker_is_visible_until_it_has_closed(mesh):
    web, caller = mesh.add("web"), mesh.add("caller")
    mesh.apply(POLICY)
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "the mesh answers")
    assert circuit_breakers(mesh)["ok"]
    web.origin.answer = lambda request, sock: reply(b"", "500 Internal Server Error")
    processes.wait_until(lambda: opened(mesh, caller), "check sees the open breaker", 30)

    endpoint = "127.0.0.1:%d" % web.inbound
    finding = circuit_breakers(mesh)
    for part in ("web.default.svc.cluster.local:80 at " + endpoint, "error responses (5xx)", "seen by " + caller.instance):
        assert part in finding["message"], finding
    assert "tullectl services" in finding["hint"]
    assert "circuit breaker open for web.default.svc.cluster.local:80 at %s (for " % endpoint in mesh.tullectl("status")
    assert "error responses (5xx)" in mesh.tullectl("status", caller.instance)
    assert "circuit breaker open for %s in %s (for " % (endpoint, caller.instance) in mesh.tullectl("services")
    assert "BREAKER OPEN" in mesh.tullectl("proxy-config", caller.instance, "endpoints")
    assert "BREAKER OPEN" not in mesh.tullectl("proxy-config", web.instance, "endpoints")

    # Another life of the control plane hears of it too.
    mesh.kill_control()
    mesh.start_control()
    processes.wait_until(lambda: not circuit_breakers(mesh)["ok"], "the new control plane sees it", 40)

    web.origin.answer = lambda request, sock: reply()
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "a trial has closed it")
    processes.wait_until(lambda: circuit_breakers(mesh)["ok"], "check sees it closed", 30)
    for command in (["status"], ["services"], ["proxy-config", caller.instance, "endpoints"]):
        assert "breaker" not in mesh.tullectl(*command).lower()


def test_the_cause_is_that_nothing_listens(mesh):
    web, caller = mesh.add("web"), mesh.add("caller")
    mesh.apply(POLICY)
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "the mesh answers")
    web.sidecar.stop(9)
    for _ in range(4):
        assert raw.get(caller.outbound, "/", host="web").status == 503
    finding = processes.wait_until(lambda: (lambda found: found if not found["ok"] else None)(circuit_breakers(mesh)), "check sees it", 20)
    assert "connection refused" in finding["message"]
