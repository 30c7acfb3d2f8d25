"""Live requests: `tullectl tap` by headers and without secrets, who may tap, `top`, TCP connections, and watches that outlive a control plane."""
import contextlib
import json
import os
import socket
import subprocess
import threading

import processes
import pytest
import raw
from byte_server import ByteServer, echo
from control import binary
from mesh import Mesh, Refused

SECRET = "Bearer of-great-value"
DENY = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: no-callers}
spec:
  targetRef: {kind: Service, name: redis}
  action: DENY
  rules: [{from: {principals: [ns/default/sa/caller]}}]
"""


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    mesh.web, mesh.caller = mesh.add("web"), mesh.add("caller")
    processes.wait_until(lambda: raw.get(mesh.caller.outbound, "/", host="web").status == 200, "the mesh answers")
    yield mesh
    mesh.close()


@contextlib.contextmanager
def running(mesh, *arguments):
    """tullectl, until the block ends; its output is in files."""
    argv = mesh._tullectl_argv(binary("control-plane/cli/tullectl"), *arguments)  # pylint: disable=protected-access
    out, err = mesh.path(arguments[0] + ".out"), mesh.path(arguments[0] + ".err")
    with open(out, "wb") as stdout, open(err, "wb") as stderr, subprocess.Popen(argv, stdout=stdout, stderr=stderr) as process:
        process.read = lambda: open(out, encoding="utf-8").read()  # pylint: disable=consider-using-with
        process.complain = lambda: open(err, encoding="utf-8").read()  # pylint: disable=consider-using-with
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def traffic(mesh, path="/items", headers=()):
    """Requests from the caller to web, until the block ends."""
    over = threading.Event()

    def ask():
        while not over.wait(0.02):
            raw.get(mesh.caller.outbound, path, host="web", headers=list(headers))
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def tap(mesh, *arguments):
    """The records of a tap that ends by itself."""
    return [json.loads(line) for line in mesh.tullectl("tap", "web", "-o", "json", "--requests", "2", *arguments).splitlines()]


def shown(record, name):
    """(value, redacted) of a request's header, or None."""
    return next(((each["value"], each.get("redacted", False)) for each in record.get("requestHeaders", []) if each["name"] == name), None)


def test_headers_are_found_and_shown_without_secrets(mesh):
    with traffic(mesh, headers=[("x-user", "41")]), traffic(mesh, "/?token=abc", headers=[("x-user", "42"), ("authorization", SECRET), ("x-color", "<b>red</b>")]):
        for record in tap(mesh, "-H", "x-user:42", "--show-headers"):
            assert shown(record, "x-user") == ("42", False), record
            assert shown(record, "authorization") == ("", True), record
            assert SECRET not in json.dumps(record) and "abc" not in json.dumps(record), record
            assert record["responseHeaders"] and shown(record, "x-color") == ("<b>red</b>", False), record
        assert all("requestHeaders" not in record for record in tap(mesh, "-H", "x-user:41"))
        text = mesh.tullectl("tap", "web", "-H", "authorization", "--show-headers", "--requests", "1")
        assert "request authorization: [redacted]" in text and SECRET not in text, text
        record = tap(mesh, "-H", "authorization:" + SECRET, "--show-headers", "--no-redact")[0]
        assert shown(record, "authorization") == (SECRET, False), record
        assert all(record["status"] == 200 for record in tap(mesh, "--status", "5xx,200", "--max-latency", "60s"))
        with pytest.raises(Refused, match="may be a secret"):
            tap(mesh, "-H", "authorization:" + SECRET)
    events = mesh.tullectl("events", "--for", "credential")
    assert "with headers and their secrets" in events and SECRET not in events, events
    assert SECRET not in mesh.control.log()


def test_who_may_not_tap_is_refused(mesh):
    reader = mesh.path("reader.json")
    mesh.tullectl("credential", "create", "rob", "--role", "reader", "--out", reader)
    with open(reader, encoding="utf-8") as file:
        known = json.load(file)
    stranger = mesh.path("stranger.json")
    with open(stranger, "w", encoding="utf-8", opener=lambda name, how: os.open(name, how, 0o600)) as file:
        json.dump({**known, "credential": "nobody's"}, file)
    with traffic(mesh, headers=[("authorization", SECRET)]):
        with pytest.raises(Refused, match="rejected the credential"):
            tap(mesh, "--credential-file", stranger)
        assert " taps " not in mesh.control.log()
        with pytest.raises(Refused, match="role admin"):
            tap(mesh, "--credential-file", reader, "--show-headers", "--no-redact")
        assert " taps " not in mesh.control.log()
        assert shown(tap(mesh, "--credential-file", reader, "--show-headers")[0], "authorization") == ("", True)
    assert "rob taps " in mesh.control.log()


def test_top_counts_by_method_and_path(mesh):
    with traffic(mesh, "/items"), running(mesh, "top", "web", "-w", "-o", "json") as top:
        def counted():
            lines = top.read().splitlines()
            rows = json.loads(lines[-1])["requests"] if lines else []
            return next((row for row in rows if row["path"] == "/items" and row["count"] > 30), None)
        row = processes.wait_until(counted, "requests are counted", 30)
    assert (row["caller"], row["service"], row["method"]) == ("caller.default", "web.default", "GET"), row
    assert row["failures"] == 0 and 0 < row["bestMicros"] <= row["worstMicros"], row


def test_watches_outlive_the_control_plane(mesh):
    with traffic(mesh), running(mesh, "tap", "web", "-o", "json") as tapping, running(mesh, "stat", "--watch") as stat:
        processes.wait_until(tapping.read, "requests are shown", 30)
        processes.wait_until(lambda: "web.default" in stat.read(), "the traffic is shown", 40)
        mesh.kill_control()
        processes.wait_until(lambda: "Trying again" in stat.complain() and "Trying again" in tapping.complain(), "both say it", 30)
        before = (len(tapping.read()), stat.read().count("web.default"))
        mesh.start_control()
        processes.wait_until(lambda: len(tapping.read()) > before[0], "requests are shown again", 60)
        processes.wait_until(lambda: stat.read().count("web.default") > before[1], "the traffic is shown again", 60)
        assert stat.poll() is None and tapping.poll() is None
        assert stat.complain().count("Trying again") == 1, stat.complain()


def connect(port):
    """What an echo server answers by the mesh; b"": the connection was closed."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(b"ping")
            return sock.recv(4)
    except ConnectionError:
        return b""


@pytest.fixture(name="server")
def fixture_server():
    server = ByteServer(echo)
    yield server
    server.close()


def test_tcp_connections_that_are_denied_are_seen(mesh, server):
    port = processes.free_port()
    redis = mesh.new_workload("redis")
    mesh.make_token("redis")
    mesh.start_sidecar(redis, "--inbound", "%d:%d:6379/tcp" % (processes.free_port(), server.port))
    mesh.wait_in_step(redis)
    mesh.caller.sidecar.stop()
    mesh.start_sidecar(mesh.caller, "--outbound-tcp", "redis:6379=%d" % port)
    processes.wait_until(lambda: processes.listening(port) and connect(port) == b"ping", "the echo answers", 40)
    mesh.apply(DENY)
    processes.wait_until(lambda: connect(port) == b"", "the policy is in force")

    def group():
        groups = json.loads(mesh.tullectl("errors", "redis", "--from", "caller.default", "-o", "json"))["groups"]
        return next((each for each in groups if each["cause"] == "denied"), None)
    found = processes.wait_until(group, "the denial is reported", 30)
    record = found["example"]
    assert record["method"] == "TCP" and record["source"].endswith("/sa/caller") and "no-callers" in record["policy"], record
    [name] = [each for each in mesh.tullectl("errors", "redis", "-o", "name").splitlines() if each == record["requestId"]]
    said = mesh.tullectl("explain", name)
    assert "no-callers" in said and "caller.default" in said, said

    def row():
        lines = [line.split() for line in mesh.tullectl("stat", "redis").splitlines() if line.startswith("redis.default")]
        return lines[0] if lines and int(lines[0][1]) >= 2 else None
    processes.wait_until(row, "connections are counted", 30)
    with running(mesh, "tap", "redis", "--method", "TCP", "--failed", "-o", "json") as tapping:
        # The caller's sidecar has seen that its connection was reset.
        processes.wait_until(lambda: connect(port) == b"" and '"cause":"denied"' in tapping.read().replace(" ", ""), "the tap shows the denial", 30)
