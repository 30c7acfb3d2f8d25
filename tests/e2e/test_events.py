"""`tullectl events`: what has happened in the mesh, with the real programs."""
import json
import signal
import subprocess

import processes
import pytest
from control import binary
from mesh import Mesh, Refused

POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: all}
spec: {targetRef: {kind: Mesh}, mode: %s}
"""


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    mesh.web = mesh.add("web")
    yield mesh
    mesh.close()


def events(mesh, *arguments):
    return json.loads(mesh.tullectl("events", "-o", "json", *arguments))["items"]


def reasons(mesh, *arguments):
    return [event["reason"] for event in events(mesh, *arguments)]


def awaited(mesh, reason, *arguments):
    """The newest event of that reason."""
    return processes.wait_until(lambda: next((e for e in reversed(events(mesh, *arguments)) if e["reason"] == reason), None), reason, 40)


def test_the_life_of_a_sidecar(mesh):
    assert set(reasons(mesh)) >= {"JoinTokenCreated", "CertificateIssued", "ProxyConnected", "ProxyRegistered"}
    connected = awaited(mesh, "ProxyConnected")
    assert connected["object"] == {"kind": "Proxy", "namespace": "default", "name": mesh.web.instance}, connected
    assert connected["actor"].endswith("/ns/default/sa/web"), connected
    # A crash: it has not left, and comes back.
    mesh.web.sidecar.stop(signal.SIGKILL)
    awaited(mesh, "ProxyDisconnected")
    mesh.start_sidecar(mesh.web)
    assert awaited(mesh, "ProxyRestarted")["type"] == "Warning"
    again = processes.wait_until(lambda: next((e for e in events(mesh) if e["reason"] == "ProxyConnected" and e["count"] >= 2), None), "it is counted", 40)
    assert again["firstAt"] <= again["lastAt"]
    # It leaves.
    mesh.web.sidecar.stop(signal.SIGTERM)
    awaited(mesh, "ProxyRemoved")
    # The newest is last.
    times = [event["lastAt"] for event in events(mesh)]
    assert times == sorted(times), times


def test_who_changed_what(mesh):
    mesh.apply(POLICY % "STRICT")
    mesh.apply(POLICY % "PERMISSIVE")
    mesh.tullectl("logs", mesh.web.instance, "--level", "debug", "--for", "10m")
    mesh.tullectl("tap", "--duration", "1s")
    mesh.tullectl("cert", "rotate")
    policy = events(mesh, "--for", "peerauthentication/all")
    assert [event["reason"] for event in policy] == ["PolicyCreated", "PolicyChanged"], policy
    assert policy[0]["message"].startswith("admin created it; revision "), policy
    awaited(mesh, "LogLevelChanged", "--for", "proxy/" + mesh.web.instance)
    awaited(mesh, "TapOpened")
    awaited(mesh, "RootRotation")
    awaited(mesh, "RootRotated")
    # All sidecars have taken the new root.
    awaited(mesh, "CertificateRenewed")
    table = mesh.tullectl("events", "-n", "default", "-t", "10m")
    assert table.startswith("LAST SEEN") and "peerauthentication/all" in table, table
    assert "root/" not in table, "it is of no namespace"
    with pytest.raises(Refused, match="unknown kind"):
        mesh.tullectl("events", "--for", "nothing/x")


def test_strangers_and_evicted_ones_are_seen_and_no_secret_is(mesh):
    mesh.make_token("cart")
    secret = open(mesh.path("cart.token"), encoding="utf-8").read().strip()
    stranger = mesh.new_workload("cart")
    with open(mesh.path("cart.token"), "r+", encoding="utf-8") as file:
        file.truncate(len(secret) - 3)
    mesh.start_sidecar(stranger)
    refused = awaited(mesh, "CallRefused")
    assert refused["object"] == {"kind": "Host", "namespace": "", "name": "127.0.0.1"} and refused["actor"] == "", refused
    mesh.tullectl("evict", "web")
    evicted = awaited(mesh, "IdentityEvicted", "--for", "identity/web")
    assert evicted["actor"] == "admin", evicted
    said = mesh.tullectl("events", "-o", "json")
    credential = json.load(open(mesh.admin_file, encoding="utf-8"))["credential"]
    for text in (secret[:-3], credential, "PRIVATE KEY"):
        assert text not in said


def test_watching_shows_new_events(mesh):
    mesh.apply(POLICY % "STRICT")
    watching = subprocess.Popen(
        [binary("control-plane/cli/tullectl"), "--credential-file", mesh.admin_file, "events", "--watch", "--for", "pa/all", "-o", "json"],
        stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(watching.stdout.readline())["reason"] == "PolicyCreated"
        mesh.apply(POLICY % "PERMISSIVE")
        assert json.loads(watching.stdout.readline())["reason"] == "PolicyChanged"
    finally:
        watching.kill()
        watching.wait()
