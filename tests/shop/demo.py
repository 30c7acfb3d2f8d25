"""The blog shop in the mesh: starts it, shows it, checks it, and cleans up after itself."""
import collections
import json
import os
import shutil
import signal
import ssl
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import processes  # noqa: E402
import pki  # noqa: E402
import raw  # noqa: E402
import resilience_checks  # noqa: E402
from controlled_mesh import SPIFFE, ControlledMesh  # noqa: E402

MARKER = b"TULLE-SHOP-MARKER"
RATE = 400
SPLIT = {"v1": 90, "v2": 10}
FIRST_PORT = 20000
CONTROL_PORTS = (20100, 20101, 20102)
# Short enough that certificates are renewed while the check runs.
SVID_TTL = "30s"


class Workload:
    """One service with its sidecar, or the customers' sidecar alone."""

    def __init__(self, number, service, version="v1", calls=(), has_application=True, relayed=False, workers=1):
        base = FIRST_PORT + 10 * number
        self.service = service
        self.version = version
        self.name = "post-" + version if service == "post" else service
        self.account = self.name
        self.tag = "%s-%d" % (self.name, number)  # of its files: a successor has its own
        self.calls = calls
        self.workers = workers
        self.application = base if has_application else 0
        self.inbound, self.outbound, self.admin = base + 1, base + 2, base + 3
        # Where others reach it: the recorder stands before one of them.
        self.dialled = base + 4 if relayed else self.inbound


def shop():
    members = [
        Workload(0, "customers", calls=("gateway", "auth", "post", "image", "payment", "lab"), has_application=False,
                 workers=2),
        Workload(1, "gateway", calls=("auth", "post", "image", "payment")),
        Workload(2, "auth"),
        Workload(3, "post"),
        Workload(4, "post", "v2"),
        Workload(5, "image"),
        Workload(6, "payment", relayed=True),
        Workload(7, "lab"),
    ]
    return collections.OrderedDict((w.name, w) for w in members)


class Demo:
    """Everything that runs; `with` starts it and ends it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tulle-demo-")
        self.workloads = shop()
        self.mesh = ControlledMesh(self.folder, self.workloads, SPLIT, CONTROL_PORTS)
        self.children = []
        self.sidecars = {}
        self.seconds = []
        self.total = None
        self.on_second = lambda second: None
        self.record = os.path.join(self.folder, "recorded")

    def child(self, name, argv, port=None):
        child = processes.Child(argv, os.path.join(self.folder, name + ".log"))
        self.children.append(child)
        if port:
            child.wait_for_port(port)
        return child

    def __enter__(self):
        try:
            taken = [p for w in self.workloads.values() for p in range(w.inbound - 1, w.inbound + 4) if processes.listening(p)]
            if taken:
                raise SystemExit("ports %s are taken by another program: end it and try again" % taken)
            payment = self.workloads["payment"]
            self.start_control()
            self.mesh.make_tokens()
            self.mesh.apply_shop()
            for workload in self.workloads.values():
                self.start_service(workload)
            self.child("relay", [sys.executable, os.path.join(HERE, "relay.py"), str(payment.dialled), str(payment.inbound), self.record],
                       payment.dialled)
            for workload in self.workloads.values():
                self.start_sidecar(workload)
            processes.wait_until(self.mesh.all_in_sync, "all sidecars have the newest configuration")
            processes.wait_until(self.answers, "the gateway answers through all sidecars")
            return self
        except BaseException:
            self.stop()
            raise

    def start_control(self):
        self.control = self.child("control", self.mesh.control_arguments() + ["--svid-ttl", SVID_TTL], self.mesh.api)

    def instance_of(self, name):
        return next(p["name"] for p in self.mesh.proxies() if p["spiffeId"] == SPIFFE + self.workloads[name].account)

    def count_of(self, name):
        account = SPIFFE + self.workloads[name].account
        return sum(p["spiffeId"] == account and p["connected"] and p["synced"] for p in self.mesh.proxies())

    def answers(self):
        port = self.workloads["customers"].outbound
        tries = (("/blog/1", "GET"), ("/image/1", "GET"), ("/pay", "POST"))
        try:
            return all(raw.get(port, path, host="gateway", method=method, body=b"x" if method == "POST" else b"",
                               headers=[("Authorization", "t")]).status == 200 for path, method in tries)
        except (OSError, EOFError):
            return False

    def start_service(self, workload):
        if workload.application:
            peers = [a for peer in workload.calls for a in ("--peer", "%s=127.0.0.1:%d" % (peer, workload.outbound))]
            workload.program = self.child("service-" + workload.tag, [processes.binary("tests/shop/service"), workload.service, str(workload.application),
                                                    "--version", workload.version, *peers], workload.application)

    def start_sidecar(self, workload):
        argv = [processes.binary("sidecar/tulle-sidecar"), *self.mesh.arguments(workload)]
        self.sidecars[workload.name] = workload.sidecar = self.child("sidecar-" + workload.tag, argv)

    def start_load(self):
        customers = self.workloads["customers"]
        self.load = subprocess.Popen([processes.binary("tests/shop/load"), "127.0.0.1:%d" % customers.outbound, "--rate", str(RATE)],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.reader = threading.Thread(target=self.read_load, daemon=True)
        self.reader.start()

    def read_load(self):
        for line in self.load.stdout:
            result = json.loads(line)
            if result["what"] == "total":
                self.total = result
            else:
                self.seconds.append(result)
                self.on_second(result)

    def stop_load(self):
        self.load.terminate()
        self.load.wait(15)
        self.reader.join(5)
        return self.total

    def stop(self):
        if getattr(self, "load", None) and self.load.poll() is None:
            self.load.kill()
            self.load.wait()
        for child in reversed(self.children):
            if child.running():
                child.process.send_signal(signal.SIGTERM)
        for child in self.children:
            child.stop()
        self.died = [c.argv[0] for c in self.children if c.process.returncode not in (0, -signal.SIGTERM)]
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_):
        self.stop()


# --- The checks: each returns (what was seen, whether it holds). ---

def check_identities(demo):
    port = demo.workloads["customers"].outbound
    wanted = {"x-caller": "gateway", "x-caller-of-auth": "gateway", "x-caller-of-gateway": "customers"}
    seen = 0
    for path, method in (("/blog/1", "GET"), ("/image/1", "GET"), ("/pay", "POST"), ("/blog", "POST")):
        response = raw.get(port, path, host="gateway", method=method, body=b"x" if method == "POST" else b"", headers=[("Authorization", "t")])
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


def refused_by(port, context=None):
    """True if a request on this port gets no answer."""
    try:
        sock = socket.create_connection(("127.0.0.1", port), 5)
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
    context.load_cert_chain(identity.chain_path, identity.key_path)
    return context


def check_strangers(demo):
    port = demo.workloads["payment"].inbound
    stranger = pki.Authority(demo.folder, "stranger").issue("stranger", [SPIFFE + "gateway"])
    answers = {"plaintext": refused_by(port), "a stranger's certificate": refused_by(port, tls_context(stranger))}
    served = [name for name, refused in answers.items() if not refused]
    return "served: " + (", ".join(served) or "none"), not served


def check_split(demo):
    done = subprocess.run([processes.binary("tests/shop/load"), "127.0.0.1:%d" % demo.workloads["customers"].outbound, "--rate", "500",
                           "--seconds", "5", "--only", "blog"], capture_output=True, text=True, check=False)
    total = json.loads(done.stdout.strip().splitlines()[-1])
    by = total["served_by"]
    count = sum(by.values())
    share = 100 * by.get("post-v2", 0) / max(1, count)
    return "%d requests, %.2f %% to v2, %d failed" % (count, share, total["failed"]), (
        count >= 2000 and abs(share - SPLIT["v2"]) <= 2.5 and total["failed"] == 0)


def failed_so_far(demo):
    return sum(second["failed"] for second in demo.seconds)


def check_policy_change(demo):
    """A new split by tullectl; every proxy that routes to post has it within a second."""
    before = failed_so_far(demo)
    began = time.monotonic()
    demo.mesh.apply_split(0, 100)
    applied = time.monotonic()
    routing = [w.outbound for w in demo.workloads.values() if "post" in w.calls]
    late = 0.0
    for port in routing:
        def switched(at=port):
            return "post-v2" in raw.get(at, "/posts/1", host="post").header("x-served-by")
        processes.wait_until(switched, "the change on port %d" % port, 5)
        late = max(late, time.monotonic() - applied)
    demo.mesh.apply_split(SPLIT["v1"], SPLIT["v2"])
    time.sleep(1.2)
    failed = failed_so_far(demo) - before
    return "applied in %.2f s, in force on %d proxies %.2f s later, %d failed" % (applied - began, len(routing), late, failed), (
        late <= 1.0 and failed == 0)


def check_control_plane_death(demo):
    before = failed_so_far(demo)
    demo.control.process.kill()
    demo.control.process.wait()
    demo.children.remove(demo.control)
    time.sleep(3)
    while_dead = failed_so_far(demo) - before
    demo.start_control()
    began = time.monotonic()
    processes.wait_until(demo.mesh.all_in_sync, "all sidecars are connected again", 30)
    back = time.monotonic() - began
    time.sleep(1.2)
    failed = failed_so_far(demo) - before
    return "3 s dead: %d failed; all %d back %.1f s after its restart, %d failed in all" % (
        while_dead, len(demo.workloads), back, failed), failed == 0


def serial(workload):
    page = json.loads(raw.get(workload.admin, "/certs", host="localhost").body)
    return [s["certificate_chain"][0]["serial_number"] for s in page["certificates"] if s["name"] == "default"][0]


def check_replacement(demo):
    """post v1 is replaced: its successor comes first, then it is told to go."""
    before = failed_so_far(demo)
    old = demo.workloads["post-v1"]
    new = Workload(8, "post")
    demo.start_service(new)
    demo.start_sidecar(new)
    processes.wait_until(lambda: demo.count_of("post-v1") == 2 and demo.mesh.all_in_sync(), "the successor is there", 20)
    leaving = old.sidecar
    leaving.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    code = leaving.process.wait(40)
    took = time.monotonic() - began
    old.program.stop()
    demo.children = [c for c in demo.children if c not in (leaving, old.program)]
    demo.workloads["post-v1"] = new
    time.sleep(1.5)
    failed = failed_so_far(demo) - before
    return "the old sidecar ended with %d after %.1f s, %d failed" % (code, took, failed), code == 0 and failed == 0


def check_rotation(demo):
    """Leaves by their short life, then the root by tullectl; the mesh sends nothing twice meanwhile."""
    demo.mesh.no_retries()
    before = failed_so_far(demo)
    old = {w.name: serial(w) for w in demo.workloads.values()}
    demo.mesh.tullectl("cert", "rotate")
    processes.wait_until(lambda: all(serial(w) != old[w.name] for w in demo.workloads.values()),
                         "every sidecar has a certificate of the new root", 40)
    time.sleep(1.2)
    failed = failed_so_far(demo) - before
    return "%d certificates replaced under a new root, %d failed" % (len(old), failed), failed == 0


CHECKS = [
    ("every hop has mTLS with the expected identities", check_identities),
    ("the recorder between two sidecars sees neither marker nor HTTP/1.1", check_recording),
    ("plaintext and a stranger's certificate are refused", check_strangers),
    ("2,000 requests at 90/10, within 2.5 %", check_split),
    ("a policy change is in force everywhere within 1 s, 0 failed", check_policy_change),
    ("the control plane is killed and comes back, 0 failed", check_control_plane_death),
    *resilience_checks.CHECKS,
    ("post is replaced while it serves (SIGTERM to its sidecar), 0 failed", check_replacement),
    ("certificates rotate, mesh retries off, 0 failed", check_rotation),
]


def check(demo):
    began = time.monotonic()
    demo.start_load()
    time.sleep(3)
    rows = []
    for name, one in CHECKS:
        try:
            seen, holds = one(demo)
        except Exception as error:  # pylint: disable=broad-except
            seen, holds = "%s: %s" % (type(error).__name__, error), False
        rows.append((name, seen, holds))
    time.sleep(2)
    total = demo.stop_load()
    rate = total["sent"] / total["seconds"]
    rows.append(("at least 300 requests/s, GET and POST, half on new connections", "%.0f/s, %d %% POST, %d %% on new connections, p99 %.1f ms" % (
        rate, 100 * total["posts"] / total["sent"], 100 * total["new_connections"] / total["sent"], total["p99_ms"]), rate >= 300))
    rows.append(("no request failed, all bodies verified", "%d sent, %d failed %s" % (
        total["sent"], total["failed"], total["reasons"] or ""), total["failed"] == 0))
    dead = [name for name, sidecar in demo.sidecars.items() if not sidecar.running()]
    rows.append(("no sidecar has died", ", ".join(dead) or "all run", not dead))
    return rows, time.monotonic() - began


def print_table(rows, seconds):
    width = max(len(name) for name, _, _ in rows)
    print()
    for name, seen, holds in rows:
        print("%s  %-*s  %s" % ("ok  " if holds else "FAIL", width, name, seen))
    failed = sum(not holds for _, _, holds in rows)
    print("\n%d of %d hold, after %.0f s" % (len(rows) - failed, len(rows), seconds))
    return failed


def show(demo):
    customers, payment = demo.workloads["customers"], demo.workloads["payment"]
    print("""
The shop runs: customers -> gateway -> auth, post (v1 %d %%, v2 %d %%), image, payment. Each has a sidecar, driven by tulle-control;
between sidecars there is mTLS only.

Try, in another terminal:
  curl -i -H 'Host: gateway' -H 'Authorization: me' http://127.0.0.1:%d/blog/7     a request through three sidecars; see x-caller
  curl -i http://127.0.0.1:%d/payments                                            plaintext at the payment's door: refused
  curl -s http://127.0.0.1:%d/stats/prometheus | grep istio_requests_total         what the gateway's sidecar counted
  curl -s http://127.0.0.1:%d/certs                                                who it is, and until when
  curl -s http://127.0.0.1:%d/config_dump                                          its configuration
  %s
                                                                                   who is connected, with which version
  %s
                                                                                   what the gateway's sidecar routes

Once a second: requests, failures, latency, and who served them. Ctrl-C ends it.
""" % (SPLIT["v1"], SPLIT["v2"], customers.outbound, payment.inbound, *[demo.workloads["gateway"].admin] * 3,
       demo.mesh.command("status"), demo.mesh.command("proxy-config", demo.instance_of("gateway"), "routes")), flush=True)
    demo.on_second = lambda second: print("%4d requests  %d failed  p50 %5.1f ms  p99 %6.1f ms  %s %s" % (
        second["sent"], second["failed"], second["p50_ms"], second["p99_ms"],
        "  ".join("%s %d" % pair for pair in sorted(second["served_by"].items())), second["reasons"] or ""), flush=True)
    demo.start_load()
    while all(child.running() for child in demo.children):
        time.sleep(0.5)
    dead = next(child for child in demo.children if not child.running())
    print("%s has ended:\n%s" % (dead.argv[0], dead.log()[-2000:]))
    return 1


def main():
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    print("starting the shop ...", flush=True)
    try:
        with Demo() as demo:
            if "--check" not in sys.argv:
                return show(demo)
            rows, seconds = check(demo)
        rows.append(("every process ended as told", ", ".join(demo.died) or "all", not demo.died))
        return 1 if print_table(rows, seconds) else 0
    except KeyboardInterrupt:
        print("\nended; nothing was left behind")
        return 0


if __name__ == "__main__":
    sys.exit(main())
