"""Hosts outside the mesh by name, and the control plane by name: against a little DNS server that may fail and lie."""
import json
import socket
import struct
import threading
import time

import pytest

import bootstrap
import processes
import raw
from mesh import Mesh, Refused
from origin import Origin, reply

EXTERNAL = """\
apiVersion: tulle.dev/v1alpha1
kind: ExternalService
metadata: {name: api}
spec: {hosts: [%s], ports: [{number: %d, protocol: http}], resolution: %s}
"""
NXDOMAIN, SERVFAIL = 3, 2


class DnsServer(threading.Thread):
    """Answers A questions by `zone`: name -> (addresses, ttl), a response code, or None for silence."""

    def __init__(self):
        super().__init__(daemon=True)
        self.zone = {}
        self.asked = []
        while True:  # one port for both
            self.stream = socket.create_server(("127.0.0.1", 0))
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.socket.bind(self.stream.getsockname())
                break
            except OSError:
                self.stream.close()
                self.socket.close()
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._run_tcp, daemon=True).start()
        self.start()

    def run(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(512)
            except OSError:
                return
            answer = self._answer(question)
            if answer is None:
                continue
            if len(answer) > 512:  # the rest by TCP
                at = 12 + answer[12:].index(b"\0") + 5
                answer = answer[:2] + b"\x83\x80" + answer[4:6] + bytes(6) + answer[12:at]
            self.socket.sendto(answer, peer)

    def _run_tcp(self):
        while True:
            try:
                peer, _ = self.stream.accept()
            except OSError:
                return
            with peer:
                length, = struct.unpack("!H", peer.recv(2, socket.MSG_WAITALL))
                answer = self._answer(peer.recv(length, socket.MSG_WAITALL))
                peer.sendall(struct.pack("!H", len(answer)) + answer)
                peer.recv(1)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, (kind,) = ".".join(labels), struct.unpack("!H", question[at + 1:at + 3])
        answer = self.zone.get(name, NXDOMAIN)
        if kind == 1:
            self.asked.append(name)
        if answer is None:
            return None
        records, code = b"", 0
        if isinstance(answer, int):
            code = answer
        elif kind == 1:
            addresses, ttl = answer
            records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, ttl, 4) + socket.inet_aton(a) for a in addresses)
        head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records) // 16, 0, 0)
        return head + question[12:at + 5] + records

    def times(self, name):
        return self.asked.count(name)

    def close(self):
        self.socket.close()
        self.stream.close()


@pytest.fixture
def world(tmp_path):
    class World:
        pass
    made = World()
    made.mesh, made.dns, made.outside = Mesh(tmp_path), DnsServer(), Origin()
    yield made
    made.mesh.close()
    made.dns.close()
    made.outside.close()


@pytest.fixture
def dns():
    made = DnsServer()
    yield made
    made.close()


def start(world, name="caller"):
    """A workload whose sidecar asks our server."""
    workload = world.mesh.new_workload(name)
    world.mesh.make_token(name)
    world.mesh.start_sidecar(workload, "--dns-servers", world.dns.address)
    workload.instance = world.mesh.wait_in_step(workload)
    processes.wait_until(lambda: processes.listening(workload.outbound), name + " listens")
    return workload


def apply(world, host, resolution="DNS"):
    world.mesh.tullectl("apply", "-f", "-", text=EXTERNAL % (host, world.outside.port, resolution))


def call(world, workload, host):
    return raw.get(workload.outbound, "/", host="%s:%d" % (host, world.outside.port)).status


def endpoints(workload, host):
    """What the admin page says of the cluster's endpoints."""
    text = raw.get(workload.admin, "/clusters?format=json", host="127.0.0.1").body.decode()
    found = []

    def look(part, mine):
        if isinstance(part, dict):
            mine = mine or host in str(part.get("name", ""))
            if mine and "endpoints" in part:
                found.extend(each["address"].rsplit(":", 1)[0] for each in part["endpoints"])
            for each in part.values():
                look(each, mine)
        elif isinstance(part, list):
            for each in part:
                look(each, mine)
    look(json.loads(text), False)
    return found


@pytest.mark.parametrize("resolution", ["DNS", "LOGICAL_DNS"])
def test_a_host_outside_is_reached_by_its_name(world, resolution):
    world.dns.zone["api.example.test"] = (["127.0.0.1"], 60)
    caller = start(world)
    apply(world, "api.example.test", resolution)
    processes.wait_until(lambda: call(world, caller, "api.example.test") == 200, "it is reached", 10)
    assert world.outside.requests
    assert world.dns.times("api.example.test") <= 2, "it holds for its time"
    # It has a virtual address as services have.
    assert "api.example.test" in world.mesh.tullectl("hosts")


@pytest.mark.parametrize("failure", [NXDOMAIN, SERVFAIL, None], ids=["nxdomain", "servfail", "silence"])
def test_fault_73_what_cannot_be_resolved_keeps_its_addresses(world, failure):
    world.dns.zone["api.example.test"] = (["127.0.0.1"], 1)
    caller = start(world)
    apply(world, "api.example.test")
    processes.wait_until(lambda: call(world, caller, "api.example.test") == 200, "it is reached", 10)
    world.dns.zone["api.example.test"] = failure
    asked = world.dns.times("api.example.test")
    processes.wait_until(lambda: world.dns.times("api.example.test") >= asked + 3, "it is asked again and again", 40)
    assert call(world, caller, "api.example.test") == 200
    world.dns.zone["api.example.test"] = (["127.0.0.3"], 60)
    processes.wait_until(lambda: call(world, caller, "api.example.test") == 503, "the new address is taken: nobody is there", 20)


def test_fault_73_a_ttl_of_zero_does_not_ask_for_ever(world):
    world.dns.zone["api.example.test"] = (["127.0.0.1"], 0)
    caller = start(world)
    apply(world, "api.example.test")
    processes.wait_until(lambda: call(world, caller, "api.example.test") == 200, "it is reached", 10)
    began, asked = time.monotonic(), world.dns.times("api.example.test")
    processes.wait_until(lambda: world.dns.times("api.example.test") >= asked + 3, "it is asked again", 20)
    assert time.monotonic() - began >= 2, "never more often than once a second"


def test_fault_73_a_crowd_of_addresses_is_capped_and_strange_ones_are_left_out(world):
    crowd = ["127.0.1.%d" % i for i in range(1, 201)]
    world.dns.zone["api.example.test"] = (crowd + ["169.254.169.254", "0.0.0.0", "224.0.0.1", "240.240.0.1"], 60)
    caller = start(world)
    apply(world, "api.example.test")
    found = processes.wait_until(lambda: endpoints(caller, "api.example.test"), "endpoints", 10)
    assert len(found) == 64 and set(found) <= set(crowd)


def test_fault_73_dns_does_not_decide_names_of_the_mesh(world):
    with pytest.raises(Refused, match="belongs to the mesh"):
        apply(world, "post.default.svc.cluster.local")


def test_fault_73_the_mesh_goes_on_while_dns_is_silent(world):
    world.dns.zone["api.example.test"] = None
    caller = start(world)
    apply(world, "api.example.test")
    post = world.mesh.add("post")
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="post").status == 200, "post is called meanwhile", 10)
    assert post.origin.requests


def test_the_control_plane_is_found_by_name_and_where_it_went(world):
    world.dns.zone["tulle.example.test"] = (["127.0.0.9"], 1)  # nobody is there
    workload = world.mesh.new_workload("late")
    world.mesh.make_token("late")
    argv = world.mesh.binary("sidecar/tulle-sidecar")
    workload.sidecar = world.mesh.start(
        [argv, "--control", "tulle.example.test:%d" % world.mesh.grpc, "--dns-servers", world.dns.address, "--token-file",
         world.mesh.path("late.token"), "--state-dir", workload.state, "--admin", "127.0.0.1:%d" % workload.admin, "--name", "late",
         "--inbound", "%d:%d:80/http" % (workload.inbound, workload.origin.port)], "late")
    processes.wait_until(lambda: "cannot be reached" in workload.sidecar.log(), "it says so", 20)
    world.dns.zone["tulle.example.test"] = (["127.0.0.1"], 1)
    world.mesh.wait_in_step(workload)


@pytest.mark.parametrize("kind", ["STRICT_DNS", "LOGICAL_DNS"])
def test_addresses_of_a_name_are_checked_too(run_sidecar, dns, origin, kind):
    """Active health checks of what DNS said; the admin page calls the cluster what it is."""
    well = {"now": True}
    origin.answer = lambda request, sock: reply(b"", "200 OK" if well["now"] or request.path != "/healthz" else "500 Sick")
    dns.zone["checked.example.test"] = (["127.0.0.1"], 60)
    check = {"timeout": "0.5s", "interval": "0.1s", "unhealthy_interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 2,
             "healthy_threshold": 2, "http_health_check": {"path": "/healthz"}}
    cluster = bootstrap.cluster(health_checks=[check], type=kind, common_lb_config={"healthy_panic_threshold": {"value": 0}})
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [{"endpoint": {"address": bootstrap.address(origin.port, "checked.example.test")}}]}]
    port = processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [cluster], "--dns-servers", dns.address)
    processes.wait_until(lambda: processes.listening(port), "DNS has answered: until then there is no listener")
    processes.wait_until(lambda: raw.get(port).status == 200, "it is reached")
    assert '"%s"' % kind in sidecar.admin("/clusters?format=json").body.decode()
    well["now"] = False
    processes.wait_until(lambda: "/failed_active_hc" in sidecar.admin("/clusters").body.decode(), "it is found to be sick")
    assert raw.get(port).status == 503
    well["now"] = True
    processes.wait_until(lambda: "/failed_active_hc" not in sidecar.admin("/clusters").body.decode(), "it is found to be well")
    assert raw.get(port).status == 200
