"""Every cause of a failure, brought about by real sidecars: `tullectl explain` says it with what to change, and log line, span and header agree."""
import json
import os
import re
import signal
import ssl
import socket
import subprocess
import threading

from control import Refused, binary
from control_group import ControlGroup
from failing_mesh import BYTES_PORT, GONE_PORT, ROUTED_PORT, STUCK_PORT, USUAL, Asked, FailingMesh
import processes
import pytest
import raw

MIB = 1024 * 1024
SOURCES = ("net/base/failure.cc", "sidecar/upstream/failures.cc", "sidecar/proxy/failures.cc")
# What no request in a mesh can bring about, and where it is tested instead. All are explained in control-plane/diagnosis/causes_test.cc.
ELSEWHERE = {
    "upgrade_required": "tulle-control lets sidecars accept HTTP/1.0: net/http1/parser_fault_test.cc",
    "receive_timeout": "tulle-control sets no time for uploads: test_timeouts.py",
    "misdirected": "needs filter chains for several names, which tulle-control does not make: test_alpn_and_names.py",
    "no_cluster": "tulle-control answers for backends that do not exist itself (backend_invalid): pick_endpoint.cc by test_routes.py",
    "internal": "a defect of the sidecar itself",
    "connection_closed_unused": "needs a connection to end in the microseconds before a request is written to it: client_connection_test.cc",
    "egress_denied": "needs redirected traffic: test_transparent.py",
    "plaintext_refused": "ends connections, before there is a request: test_denials.py",
    "no_filter_chain": "ends connections, before there is a request: ended_test.cc",
}
CASES = {}


def causes(cause, resilience=USUAL):
    """The function brings it about under this ResiliencePolicy of the service."""
    def register(trigger):
        CASES[cause] = resilience, trigger
        return trigger
    return register


def head(*lines, target="GET / HTTP/1.1"):
    return "\r\n".join([target, "Host: web", *lines]).encode() + b"\r\n\r\n"


def simple(cause, resilience=USUAL, **asked):
    causes(cause, resilience)(lambda mesh: mesh.ask(**asked))


def bytes_of(cause, data):
    causes(cause)(lambda mesh: mesh.send(data))


# The caller.
bytes_of("bad_request", head("A b: c"))
bytes_of("headers_too_large", head("x-large: " + "y" * 70000))
bytes_of("unsupported_version", head(target="GET / HTTP/3.0"))
bytes_of("unsupported_transfer_coding", head("Transfer-Encoding: gzip", target="POST / HTTP/1.1"))
bytes_of("expectation_failed", head("Expect: a miracle"))
bytes_of("request_headers_timeout", b"GET / HTTP/1.1\r\nHost: web\r\n")
# This sidecar.
simple("request_timeout", path="/slow/request")
simple("per_try_timeout", path="/slow/attempt")
simple("stream_idle_timeout", USUAL + ", timeouts: {idle: 300ms}", path="/slow")
simple("no_route", host="web:%d" % ROUTED_PORT, path="/other")
simple("denied", path="/denied")
simple("upgrade_refused", headers=["Connection: upgrade", "Upgrade: telnet"])
simple("rate_limited", USUAL + ", rateLimit: {requests: 1, per: 1h}")
simple("fault_injected", USUAL + ", fault: {abort: {status: 418, percent: 100}}")
simple("loop_detected", headers=["x-tulle-hops: 10"])
simple("unknown_host", host="nowhere")
simple("not_http_port", host="web:%d" % BYTES_PORT)
simple("backend_invalid", path="/nowhere")
# The way to the upstream.
simple("no_healthy_endpoint", USUAL + ", healthCheck: {path: /unhealthy, interval: 100ms, unhealthyAfter: 1}")
simple("breaker_open", "breaker: {consecutiveFailures: 1, openFor: 30s}", path="/fails")
simple("connect_failed", host="web:%d" % GONE_PORT)
simple("connect_timeout", host="web:%d" % STUCK_PORT)
simple("connection_closed", method="POST", path="/closes", body=b"x")
simple("upstream_protocol_error", path="/garbage")
simple("response_truncated", path="/cut")


@causes("downstream_closed")
def _leaves(mesh):
    asked = Asked("")
    with raw.Raw(mesh.caller.outbound) as client:
        asked.id = "leaves-%d" % client.sock.getsockname()[1]
        client.send(head("x-request-id: " + asked.id, target="GET /slow HTTP/1.1"))
        processes.wait_until(lambda: any(r.header("x-request-id") == [asked.id] for r in mesh.web.origin.requests), "the request arrives")
    return asked


@causes("downstream_protocol_error")
def _breaks_the_protocol(mesh):
    return mesh.call("/a.B/C", ("content-length", "1"), end=False, then=lambda client, stream: client.send(client.data_frame(stream, b"more", end=True)))


@causes("stream_duration")
def _says_a_deadline(mesh):
    return mesh.call("/a.B/Slow", ("grpc-timeout", "300m"))


@causes("refused_stream")
def _is_refused(mesh):
    return mesh.call("/a.B/Refused")


@causes("upstream_reset")
def _is_reset(mesh):
    return mesh.call("/a.B/Reset")


@causes("connection_closed_unread")
def _is_sent_away(mesh):
    return mesh.call("/a.B/Away")


@causes("overflow", USUAL + ", limits: {perClientMaxRequests: 1}")
def _finds_no_place(mesh):
    before = len(mesh.web.origin.requests)
    holder = raw.Raw(mesh.caller.outbound)
    with holder:
        holder.send(head(target="GET /slow HTTP/1.1"))
        processes.wait_until(lambda: len(mesh.web.origin.requests) > before, "one is under way")
        return mesh.ask()


@pytest.fixture(scope="module", name="world")
def fixture_world(tmp_path_factory):
    made = FailingMesh(tmp_path_factory.mktemp("causes"))
    made.traces = {}
    yield made
    made.close()


def in_words(world, number):
    """What explain says as JSON and as text, once both say the same: the service's sidecar may have written its record a moment later."""
    what = world.explained(number)
    text = " ".join(world.mesh.tullectl("explain", number).split())
    verdict = what["verdict"]
    return (what, verdict) if all(" ".join(verdict[part].split()) in text for part in ("meaning", "nextStep")) else None


def check(world, cause, asked):
    """Explain, log line and header of a request that ended so."""
    what, verdict = processes.wait_until(lambda: in_words(world, asked.id), "text and JSON say the same")
    assert what["answered"] == what["asked"] and verdict["cause"] == cause, what
    assert verdict["meaning"] and verdict["nextStep"] and "{" not in verdict["meaning"] + verdict["nextStep"], verdict
    if asked.status >= 400 or (asked.status and asked.header):
        assert asked.header == cause, (asked.status, asked.header)
    hop = what["hops"][verdict["hop"]]
    assert hop["cause"] == cause, hop
    sidecar = next(each.sidecar for each in world.mesh.workloads if each.instance == hop["proxy"])
    word = "denied" if cause == "denied" else "error"
    line = re.compile(r"\] %s .* cause=%s .*%s" % (word, cause, re.escape(asked.id)))
    processes.wait_until(lambda: line.search(sidecar.log()), "a line with cause=%s" % cause)
    world.traces[cause] = hop["traceId"]


@pytest.mark.parametrize("cause", CASES)
def test_what_explain_says_of(world, cause):
    resilience, trigger = CASES[cause]
    world.use(resilience)
    asked = world.explained_as(cause, trigger)
    check(world, cause, asked)


def spans_of(world, trace):
    try:
        return json.loads(world.mesh.tullectl("trace", trace, "-o", "json"))["spans"]
    except Refused:
        return []


def test_the_spans_say_the_same(world):
    for cause, trace in world.traces.items():
        processes.wait_until(lambda c=cause, t=trace: any(each["attributes"].get("error.type") == c for each in spans_of(world, t)), "a span of " + cause)


class TlsServer:
    """Shows a certificate at a port that was another's."""

    def __init__(self, port, folder):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
        context.set_alpn_protocols(["istio-h2", "h2"])
        self.listener = context.wrap_socket(socket.create_server(("127.0.0.1", port)), server_side=True)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                self.listener.accept()[0].close()
            except ssl.SSLError:
                pass
            except OSError:
                return

    def close(self):
        self.listener.close()


def text_of(path):
    with open(path, encoding="latin-1") as file:
        return file.read()


def test_an_endpoint_that_is_not_what_it_was(world, tmp_path):
    """Its port is taken by a server without TLS, and then by one with the certificate of another service."""
    victim = world.add("victim")
    world.mesh.apply(("""\
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: victim}
spec: {targetRef: {kind: Service, name: victim}, retries: {attempts: 0}, %s}
""") % USUAL)
    processes.wait_until(lambda: world.ask(host="victim").status == 200, "it answers")
    world.mesh.tullectl("cert", "issue", "--service", "other", "--out", str(tmp_path / "other"))
    victim.sidecar.stop(signal.SIGKILL)
    asked = world.explained_as("connect_failed", lambda mesh: mesh.ask(host="victim"))
    check(world, "connect_failed", asked)
    with socket.create_server(("127.0.0.1", victim.inbound)) as plain:
        def refuse():
            while True:
                try:
                    with plain.accept()[0] as sock:
                        sock.recv(1000)
                        sock.sendall(b"220 smtp\r\n")
                except OSError:
                    return
        threading.Thread(target=refuse, daemon=True).start()
        asked = world.explained_as("tls_failed", lambda mesh: mesh.ask(host="victim"))
        check(world, "tls_failed", asked)
        plain.shutdown(socket.SHUT_RDWR)
    other = TlsServer(victim.inbound, str(tmp_path / "other"))
    try:
        asked = world.explained_as("peer_identity_refused", lambda mesh: mesh.ask(host="victim"))
        check(world, "peer_identity_refused", asked)
    finally:
        other.close()


def test_a_caller_whose_certificate_is_not_accepted_is_logged_and_counted(world):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["istio-http/1.1"])
    before = refused_by_tls(world)
    with socket.create_connection(("127.0.0.1", world.web.inbound), 10) as sock, pytest.raises(OSError):
        with context.wrap_socket(sock) as secure:  # a client learns of the refusal when it reads
            secure.sendall(head())
            assert secure.recv(100)
            raise AssertionError("it was let in")
    assert refused_by_tls(world) == before + 1
    line = processes.wait_until(lambda: next((each for each in world.web.sidecar.log().splitlines() if "connection ended - " in each), None), "a line of the log")
    assert re.search(r" cause=(tls_failed|peer_identity_refused) caller=\"-\" 127\.0\.0\.1:\d+ 127\.0\.0\.1:%d " % world.web.inbound, line), line
    # Who only looks if the port is open is no error.
    socket.create_connection(("127.0.0.1", world.web.inbound), 10).close()
    assert refused_by_tls(world) == before + 1


def refused_by_tls(world):
    text = raw.get(world.web.admin, "/stats/prometheus", host="localhost").body.decode()
    return float(re.search(r'^tulle_downstream_connections_refused_total\{reason="tls"\} (\S+)', text, re.M).group(1))


def test_a_sidecar_that_is_short_of_memory(world):
    world.use(USUAL)
    group = ControlGroup(256 * MIB)
    small = world.mesh.new_workload("small")
    world.mesh.make_token("small")
    try:
        start = world.mesh.start
        world.mesh.start = lambda argv, name: start(["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group.path, *argv], name)
        try:
            world.mesh.start_sidecar(small, "--cause-header")
        finally:
            world.mesh.start = start
        small.instance = world.mesh.wait_in_step(small)
        processes.wait_until(lambda: raw.get(small.outbound, host="web").status == 200, "it calls")
        with raw.Raw(small.outbound) as kept:  # new connections are refused
            group.fill_to(0.96)
            caller, world.caller = world.caller, small

            def ask(_mesh):
                kept.send(head())
                got = kept.response()
                return Asked((got.header("x-request-id") or [None])[0], got.status, (got.header("x-tulle-cause") or [None])[0])
            try:
                asked = world.explained_as("memory_short", ask)
                check(world, "memory_short", asked)
            finally:
                world.caller = caller
    finally:
        if small.sidecar is not None:
            small.sidecar.stop()
        group.close()


def test_a_sidecar_that_ends_before_its_requests(world):
    """It is gone when somebody asks, so that its state directory has the answer."""
    world.use(USUAL)
    last = world.add("last", "--drain-time=1")
    processes.wait_until(lambda: raw.get(last.outbound, host="web").status == 200, "it calls")
    with raw.Raw(last.outbound) as client:
        before = len(world.web.origin.requests)
        client.send(head("x-request-id: the-last", target="GET /slow HTTP/1.1"))
        processes.wait_until(lambda: len(world.web.origin.requests) > before, "the request arrives")
        last.sidecar.stop()
    printed = subprocess.run([binary("sidecar/tulle-sidecar"), "--print-recorder", last.state], capture_output=True, text=True, check=True, timeout=20)
    record = next(each for each in map(json.loads, printed.stdout.splitlines()) if each.get("requestId") == "the-last")
    assert record["cause"] == "draining", record


def test_no_cause_is_left_out():
    """Of those in the sidecar's tables each is brought about here, or named with the reason."""
    known = set()
    for path in SOURCES:
        known |= {re.findall(r'"((?:[^"\\]|\\.)*)"', row)[1] for row in re.findall(r"FailureFacts k\w+\{([^;]*)\};", text_of(os.path.join(processes.ROOT, path)))}
    here = {*CASES, "tls_failed", "peer_identity_refused", "memory_short", "draining"}
    assert here & set(ELSEWHERE) == set()
    assert known - {"none"} == here | set(ELSEWHERE)
