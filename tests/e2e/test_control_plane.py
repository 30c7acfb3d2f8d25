"""The control plane's faults, with the real programs: it is dead at the start, dies again and again, its disk is full."""
import datetime
import glob
import json
import os
import re
import resource
import signal
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509

import processes
import raw
from mesh import Mesh, Refused

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post}
spec:
  parentRefs: [{kind: Service, name: post, port: 80}]
  rules:
  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-version, value: "%d"}]}}]
    backendRefs: [{name: post, port: 80}]
"""


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def saved_configuration(workload):
    try:
        with open(os.path.join(workload.state, "last-good.pb"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def ready(workload):
    return raw.get(workload.admin, "/ready", host="127.0.0.1").status


class Caller(threading.Thread):
    """Requests one after the other until it is stopped; what was no 200 is kept."""

    def __init__(self, workload, host):
        super().__init__(daemon=True)
        self.workload = workload
        self.host = host
        self.sent = 0
        self.bad = []
        self._stopped = threading.Event()
        self.start()

    def run(self):
        while not self._stopped.is_set():
            self.sent += 1
            try:
                status = raw.get(self.workload.outbound, "/", host=self.host).status
            except (OSError, EOFError) as error:
                status = error
            if status != 200:
                self.bad.append(status)

    def stop(self):
        self._stopped.set()
        self.join(processes.PATIENCE)
        assert not self.is_alive()


def test_fault_61_dead_at_the_start_the_last_good_configuration_serves(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    # It is written a second after it came.
    wanted = (b"outbound|80||post.", b"outbound|http", b"inbound|%d" % caller.inbound, b"ROOTCA")
    processes.wait_until(lambda: all(part in saved_configuration(caller) for part in wanted), "a saved configuration")
    mesh.kill_control()
    caller.sidecar.stop(signal.SIGKILL)
    mesh.start_sidecar(caller)
    processes.wait_until(lambda: processes.listening(caller.outbound), "it listens:\n" + caller.sidecar.log())
    processes.wait_until(lambda: ready(caller) == 200, "it is ready")
    assert raw.get(caller.outbound, "/", host="post").status == 200
    (request,) = post.origin.requests
    assert "sa/caller" in ",".join(request.header("x-forwarded-client-cert")), "the identity is from the disk too"


def test_fault_61_with_nothing_on_disk_it_is_not_ready_and_serves_nobody(mesh):
    mesh.make_token("late")
    late = mesh.new_workload("late")
    mesh.kill_control()
    mesh.start_sidecar(late)
    late.sidecar.wait_for_port(late.admin)
    processes.wait_until(lambda: "cannot be reached" in late.sidecar.log(), "it says why")
    assert ready(late) == 503
    assert not processes.listening(late.inbound)
    assert not processes.listening(late.outbound)
    mesh.start_control()
    mesh.wait_in_step(late)
    processes.wait_until(lambda: ready(late) == 200, "it is ready once the control plane is there")


def test_fault_61_with_an_identity_but_no_configuration_it_is_not_ready(mesh):
    post = mesh.add("post")
    processes.wait_until(lambda: saved_configuration(post), "a saved configuration")
    mesh.kill_control()
    post.sidecar.stop(signal.SIGKILL)
    os.remove(os.path.join(post.state, "last-good.pb"))
    mesh.start_sidecar(post)
    post.sidecar.wait_for_port(post.admin)
    processes.wait_until(lambda: "no connection to the control plane" in post.sidecar.log(), "it says why")
    assert ready(post) == 503
    assert not processes.listening(post.inbound)
    assert "main: ready" not in post.sidecar.log()
    mesh.start_control()
    processes.wait_until(lambda: ready(post) == 200, "it is ready once the control plane is there")
    assert processes.listening(post.inbound)


def test_fault_62_flapping_costs_no_request_and_all_come_back(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    calls = Caller(caller, "post")
    for version in range(3):
        mesh.kill_control()
        mesh.start_control()
        mesh.wait_in_step(caller)
        mesh.wait_in_step(post)
        # It is steered again: a change gets there, and nothing was forgotten.
        mesh.tullectl("apply", "-f", "-", text=ROUTE % version)
        processes.wait_until(lambda v=str(version): v in post.origin.requests[-1].header("x-version"), "the change is in force")
    calls.stop()
    assert calls.bad == []
    assert calls.sent > 10


def test_metrics_name_both_workloads_and_show_limits_and_memory(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    assert raw.get(caller.outbound, "/", host="post").status == 200

    def rows(workload):
        return raw.get(workload.admin, "/stats/prometheus", host="localhost").body.decode().splitlines()

    def counted(workload, reporter):
        return any(row.startswith("istio_requests_total{") and 'reporter="%s"' % reporter in row
                   and 'source_workload="caller"' in row and 'destination_workload="post"' in row for row in rows(workload))
    processes.wait_until(lambda: counted(caller, "source"), "the caller's side names both")
    processes.wait_until(lambda: counted(post, "destination"), "the other side names both")
    limits = [row for row in rows(caller) if row.startswith("tulle_upstream_limit{") and "outbound|80||post." in row]
    assert any('kind="allowed"' in row and not row.endswith(" 0") for row in limits), limits
    memory = [row for row in rows(caller) if row.startswith('tulle_worker_memory_bytes{worker="')]
    assert len(memory) == int(processes.WORKERS), memory
    with open("/proc/%d/maps" % caller.sidecar.pid, encoding="utf-8") as maps:
        slab_holds_nothing = "libasan" in maps.read()  # there each block comes from the sanitizer
    assert slab_holds_nothing or any(float(row.split()[-1]) > 0 for row in memory), memory


def test_a_restart_expires_nobody(mesh):
    mesh.add("post")
    caller = mesh.add("caller")
    mesh.kill_control()
    mesh.start_control()
    # Before any sidecar can have come back: what was registered stands, healthy.
    workloads = {item["name"]: item for item in json.loads(mesh.tullectl("services", "-o", "json"))["items"]}
    assert {"post", "caller"} <= set(workloads)
    for service in workloads.values():
        assert [e["health"] for port in service["ports"] for e in port["endpoints"]] == ["healthy"]
    assert raw.get(caller.outbound, "/", host="post").status == 200


def test_a_missed_lease_is_unhealthy_at_others_and_then_gone(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    assert raw.get(caller.outbound, "/", host="post").status == 200
    post.sidecar.stop(signal.SIGKILL)

    def health():
        items = json.loads(mesh.tullectl("services", "-o", "json"))["items"]
        return [e["health"] for s in items if s["name"] == "post" for port in s["ports"] for e in port["endpoints"]]
    processes.wait_until(lambda: health() == ["unhealthy"], "the lease is missed", 40)

    def at_the_caller():
        rows = mesh.tullectl("proxy-config", "caller", "endpoints")
        return [row for row in rows.splitlines() if "post." in row and "UNHEALTHY" in row]
    processes.wait_until(at_the_caller, "others are told")
    assert raw.get(caller.outbound, "/", host="post").status == 503
    assert "unhealthy: post-" in mesh_check(mesh)


def mesh_check(mesh):
    with pytest.raises(Refused) as failed:
        mesh.tullectl("check")
    return str(failed.value)


def test_a_full_disk_says_so_keeps_the_old_state_and_the_mesh_runs(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    mesh.tullectl("apply", "-f", "-", text=ROUTE % 1)
    largest = max(os.path.getsize(name) for name in glob.glob(os.path.join(mesh.data, "*")))
    hard = resource.prlimit(mesh.control.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(mesh.control.pid, resource.RLIMIT_FSIZE, (largest, hard))
    try:
        # More than fits, whatever room there is in the files that are there.
        many = "---\n".join((ROUTE % 2).replace("name: post}", "name: post-%d}" % n, 1).replace(
            "name: post, port: 80}]\n  rules", "name: s-%d, port: 80}]\n  rules" % n) for n in range(900))
        with pytest.raises(Refused) as refused:
            mesh.tullectl("apply", "-f", "-", text=many)
        assert "the store cannot write" in str(refused.value), refused.value
        assert "nothing was changed; check space" in str(refused.value), refused.value
        with pytest.raises(Refused) as check:
            mesh.tullectl("check")
        assert "CANNOT BE WRITTEN" in str(check.value), check.value
        assert mesh.tullectl("get", "all", "-o", "name") == "httproute/post\n"
        assert raw.get(caller.outbound, "/", host="post").status == 200
        assert "1" in post.origin.requests[-1].header("x-version")
        # Who is away and comes back finds the mesh as it was.
        caller.sidecar.stop(signal.SIGKILL)
        mesh.start_sidecar(caller)
        processes.wait_until(lambda: processes.listening(caller.outbound) and ready(caller) == 200, "it is back")
    finally:
        resource.prlimit(mesh.control.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert mesh.control.running()
    mesh.tullectl("apply", "-f", "-", text=ROUTE % 3)
    assert "store: can be written" in mesh.tullectl("check")

    def new_version():
        raw.get(caller.outbound, "/", host="post")
        return "3" in post.origin.requests[-1].header("x-version")
    processes.wait_until(new_version, "the change is in force")


def test_killed_at_any_moment_what_was_acknowledged_is_there(mesh):
    applied = 0
    for round_number in range(5):
        killer = threading.Timer(0.05 + 0.07 * round_number, mesh.kill_control)
        killer.start()
        tried = applied
        try:
            while True:
                tried += 1
                mesh.tullectl("apply", "-f", "-", text=ROUTE % tried)
                applied = tried
        except Refused:
            pass
        killer.join()
        mesh.start_control()
        if not applied and not mesh.tullectl("get", "hr", "-o", "name"):
            continue
        stored = json.loads(mesh.tullectl("get", "httproute", "post", "-o", "json"))
        version = int(stored["spec"]["rules"][0]["filters"][0]["requestHeaderModifier"]["set"][0]["value"])
        assert version in (applied, tried), "acknowledged up to %d, tried %d" % (applied, tried)
        applied = version


def test_tokens_of_before_a_rotation_join_after_it(mesh):
    """The pin of such a token is the former root, which vouches for the new one."""
    token = mesh.make_token("late")
    with open(token, encoding="ascii") as file:
        pin = file.read().split(".")[1]
    # Nobody holds a certificate: it is done at once.
    assert "new root: " in mesh.tullectl("cert", "rotate")
    assert "new root: " in mesh.tullectl("cert", "rotate")
    with open(mesh.make_token("other"), encoding="ascii") as file:
        assert file.read().split(".")[1] != pin
    late = mesh.new_workload("late")
    mesh.start_sidecar(late)
    mesh.wait_in_step(late)


def test_a_sidecar_that_was_away_over_a_rotation_joins_again_by_its_token(tmp_path):
    """Its certificate has ended and its roots are the former ones: the token's pin is what it believes."""
    mesh = Mesh(tmp_path, "--svid-ttl", "10s")
    try:
        post = mesh.add("post")
        post.sidecar.stop(signal.SIGKILL)
        mesh.tullectl("cert", "rotate", "--watch")
        mesh.make_token("post")
        mesh.start_sidecar(post)
        mesh.wait_in_step(post)
    finally:
        mesh.close()


def test_a_rotation_ends_in_a_running_mesh_and_costs_no_request(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    former = json.loads(mesh.tullectl("cert", "roots", "-o", "json"))["signingRoot"]["sha256"]
    calls = Caller(caller, "post")
    assert "new root: " in mesh.tullectl("cert", "rotate", "--watch")
    calls.stop()
    assert calls.bad == []
    roots = json.loads(mesh.tullectl("cert", "roots", "-o", "json"))
    assert roots["phase"] == "steady" and roots["signingRoot"]["sha256"] != former
    assert roots["trustBundle"].count("BEGIN CERTIFICATE") == 1
    mesh.wait_in_step(post)
    assert raw.get(caller.outbound, "/", host="post").status == 200


def presented_expiry(port):
    """notAfter of the certificate that a sidecar presents to whoever connects: it asks for the caller's afterwards (TLS 1.3)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["istio", "h2"])
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as client:
        certificate = x509.load_der_x509_certificate(client.getpeercert(binary_form=True))
    utc = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc)
    return int(utc.timestamp())


def test_metrics_tell_the_end_of_the_certificate_in_use(tmp_path):
    mesh = Mesh(tmp_path, "--svid-ttl", "12s")
    try:
        post = mesh.add("post")

        def shown():
            page = raw.get(post.admin, "/stats/prometheus", host="localhost").body.decode()
            [(labels, value)] = re.findall(r"^identity_cert_expiration_timestamp_seconds\{(.*)\} (\S+)$", page, re.M)
            assert 'spiffe_id="spiffe://cluster.local/ns/default/sa/post"' in labels, labels
            return float(value)

        def agree():
            before, presented, after = shown(), presented_expiry(post.inbound), shown()
            assert before != after or presented == after, (before, presented, after)
            return before == after
        first = shown()
        assert time.time() < first < time.time() + 13
        processes.wait_until(agree, "the metric is that of the certificate")
        processes.wait_until(lambda: shown() > first, "the renewed certificate shows")
        processes.wait_until(agree, "the metric is that of the renewed certificate")
    finally:
        mesh.close()


def test_status_tells_the_end_of_the_renewed_certificate(tmp_path):
    mesh = Mesh(tmp_path, "--svid-ttl", "12s")
    try:
        post = mesh.add("post")

        def end():
            return next(p["certificateNotAfter"] for p in mesh.proxies() if p["name"] == post.instance)
        first = end()
        processes.wait_until(lambda: end() > first, "the renewed certificate shows")
    finally:
        mesh.close()
