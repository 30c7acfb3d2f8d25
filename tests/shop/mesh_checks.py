"""What the mesh does for the shop: checks of the demo. Each returns (what was seen, whether it holds)."""
import contextlib
import json
import secrets
import signal
import ssl
import subprocess
import time

import pki
import processes
import raw
from controlled_mesh import SPIFFE
from shop import SPLIT, Workload

MARKER = b"TULLE-SHOP-MARKER"


def check_identities(demo):
    wanted = {"x-caller": "gateway", "x-caller-of-auth": "gateway", "x-caller-of-gateway": "customers"}
    seen = 0
    for path, method in (("/blog/1", "GET"), ("/image/1", "GET"), ("/pay", "POST"), ("/blog", "POST")):
        response = demo.ask("gateway", path, method=method, body=b"x" if method == "POST" else b"", headers=[("Authorization", "t")])
        for header, account in wanted.items():
            value = ",".join(response.header(header))
            if "URI=" + SPIFFE + account not in value:
                return "%s %s: %s is %r" % (method, path, header, value), False
            seen += 1
    return "%d callers seen, all as expected" % seen, True


def check_recording(demo):
    with open(demo.record, "rb") as file:
        data = file.read()
    found = [word.decode() for word in (MARKER, b"HTTP/1.1") if word in data]
    return "%.1f MB recorded, found: %s" % (len(data) / 1e6, ", ".join(found) or "neither"), len(data) > 100000 and not found


def refused_by(sock, context=None):
    """True if a request on this connection gets no answer."""
    try:
        if context:
            sock = context.wrap_socket(sock, server_hostname="payment")
        with raw.Raw(0, sock=sock) as client:
            client.sock.sendall(b"POST /payments HTTP/1.1\r\nHost: payment\r\nContent-Length: 0\r\n\r\n")
            return client.response().status != 200
    except (OSError, EOFError):
        return True
    except Exception:  # pylint: disable=broad-except
        return True  # Not HTTP: a TLS alert, for one.


def tls_context(identity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["istio-http/1.1", "http/1.1"])
    context.load_cert_chain(identity.chain_path, identity.key_path)
    return context


def check_strangers(demo):
    payment = demo.workloads["payment"]
    stranger = pki.Authority(demo.folder, "stranger").issue("stranger", [SPIFFE + "gateway"])
    answers = {"plaintext": refused_by(demo.place.connect_door(payment)),
               "a stranger's certificate": refused_by(demo.place.connect_door(payment), tls_context(stranger))}
    served = [name for name, refused in answers.items() if not refused]
    return "served: " + (", ".join(served) or "none"), not served


def check_split(demo):
    total = demo.run_load("gateway", "--rate", "500", "--seconds", "5", "--only", "blog")
    by = total["served_by"]
    count = sum(by.values())
    share = 100 * by.get("post-v2", 0) / max(1, count)
    return "%d requests, %.2f %% to v2, %d failed" % (count, share, total["failed"]), (
        count >= 2000 and abs(share - SPLIT["v2"]) <= 2.5 and total["failed"] == 0)


def check_policy_change(demo):
    """A new split by tullectl; every proxy that routes to post has it within a second."""
    before = demo.failed_so_far()
    began = time.monotonic()
    demo.mesh.apply_split(0, 100)
    applied = time.monotonic()
    routing = [w.name for w in demo.workloads.values() if "post" in w.calls]
    late = 0.0
    for name in routing:
        def switched(caller=name):
            return "post-v2" in demo.ask("post", "/posts/1", caller=caller).header("x-served-by")
        processes.wait_until(switched, "the change at " + name, 5)
        late = max(late, time.monotonic() - applied)
    demo.mesh.apply_split(SPLIT["v1"], SPLIT["v2"])
    failed = demo.failed_since(before)
    return "applied in %.2f s, in force on %d proxies %.2f s later, %d failed" % (applied - began, len(routing), late, failed), (
        late <= 1.0 and failed == 0)


def check_control_plane_death(demo):
    before = demo.failed_so_far()
    demo.control.process.kill()
    demo.control.process.wait()
    demo.forget(demo.control)
    time.sleep(3)
    while_dead = demo.failed_so_far() - before
    demo.start_control()
    began = time.monotonic()
    processes.wait_until(demo.mesh.all_in_sync, "all sidecars are connected again", 30)
    back = time.monotonic() - began
    failed = demo.failed_since(before)
    return "3 s dead: %d failed; all %d back %.1f s after its restart, %d failed in all" % (
        while_dead, len(demo.workloads), back, failed), failed == 0


def check_redis(demo):
    """An unchanged client and server; between their hosts there is nothing to read."""
    customers = demo.workloads["customers"]
    host, port = demo.place.address(customers, "redis")

    def redis(*words):
        argv = demo.place.argv(customers, processes.program("redis-cli"), "-h", host, "-p", str(port), *words)
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    said = [redis("PING"), redis("SET", "greeting", "hello"), redis("GET", "greeting"), redis("INCR", "visits")]
    metrics = demo.admin(demo.workloads["redis"], "/stats/prometheus").body.decode()
    secured = [line for line in metrics.splitlines()
               if line.startswith("istio_tcp_connections_opened_total") and 'connection_security_policy="mutual_tls"' in line]
    count = sum(float(line.split()[-1]) for line in secured)
    return "PING, SET, GET, INCR: %s; %d connections, all by mTLS" % (" ".join(said), count), said == ["PONG", "OK", "hello", "1"] and count >= 4


def hop(account, *callees):
    """What a request leaves at one sidecar: how it came, and the way on from there."""
    return (account + " server", ((account + " client", callees),))


def read_blog():
    """The spans that GET /blog/1 should have: the gateway asks auth, then post; each call passes the caller's sidecar and the callee's."""
    calls = tuple(hop("gateway", hop(callee)) for callee in ("auth", "post"))
    return hop("customers", hop("gateway", *calls))


def tree_of(spans, parent):
    """Nested (name, children), children in the order in which they began."""
    mine = sorted((s for s in spans if s["parentSpanId"] == parent), key=lambda s: int(s["startUnixNano"]))
    return tuple((span["reporter"].rsplit("/", 1)[1].split("-v")[0] + " " + span["kind"], tree_of(spans, span["spanId"])) for span in mine)


def check_trace(demo):
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    response = demo.ask("gateway", "/blog/1", headers=[("Authorization", "t"), ("traceparent", "00-%s-%s-01" % (trace, parent))])
    wanted = (read_blog(),)
    seen = []

    def told():
        seen[:] = demo.mesh.spans(trace)
        return len(seen) >= 12
    processes.wait_until(told, "the spans of all hops", 15)
    tree = tree_of(seen, parent)
    return "status %d, %d spans of one trace, %s" % (response.status, len(seen), "the tree is the expected one" if tree == wanted else tree), (
        response.status == 200 and tree == wanted)


def check_replacement(demo):
    """post v1 is replaced: its successor comes first, then it is told to go."""
    before = demo.failed_so_far()
    old, new = demo.workloads["post-v1"], Workload(8, "post")
    demo.place.prepare(new)
    demo.start_service(new)
    demo.start_sidecar(new)
    processes.wait_until(lambda: demo.count_of("post-v1") == 2 and demo.mesh.all_in_sync(), "the successor is there", 20)
    began = time.monotonic()
    old.sidecar.process.send_signal(signal.SIGTERM)
    code = old.sidecar.process.wait(40)
    took = time.monotonic() - began
    old.program.stop()
    demo.forget(old.sidecar, old.program)
    demo.workloads["post-v1"] = new
    failed = demo.failed_since(before)
    return "the old sidecar ended with %d after %.1f s, %d failed" % (code, took, failed), code == 0 and failed == 0


def serial(demo, workload):
    with contextlib.suppress(OSError, EOFError):
        page = json.loads(demo.admin(workload, "/certs").body)
        return [s["certificate_chain"][0]["serial_number"] for s in page["certificates"] if s["name"] == "default"][0]
    return None


def check_rotation(demo):
    """Leaves by their short life, then the root by tullectl; the mesh sends nothing twice meanwhile."""
    demo.mesh.no_retries()
    before = demo.failed_so_far()
    old = {w.name: serial(demo, w) for w in demo.workloads.values()}
    demo.mesh.tullectl("cert", "rotate")
    processes.wait_until(lambda: all(serial(demo, w) not in (None, old[w.name]) for w in demo.workloads.values()),
                         "every sidecar has a certificate of the new root", 40)
    failed = demo.failed_since(before)
    return "%d certificates replaced under a new root, %d failed" % (len(old), failed), failed == 0


FIRST = [
    ("every hop has mTLS with the expected identities", check_identities),
    ("a recorder between two sidecars sees only encrypted bytes", check_recording),
    ("plaintext and certificates of another CA are refused", check_strangers),
    ("2,000 requests are split 90/10, within 2.5 %", check_split),
    ("a policy change takes effect everywhere within 1 s, 0 failed", check_policy_change),
    ("the control plane is killed and restarted, 0 failed", check_control_plane_death),
    ("all hops share one trace with the expected tree", check_trace),
]
REDIS = [("Redis works through the mesh with mTLS", check_redis)]
LAST = [
    ("post is replaced while serving (SIGTERM to its sidecar), 0 failed", check_replacement),
    ("certificates and root rotate with retries off, 0 failed", check_rotation),
]
