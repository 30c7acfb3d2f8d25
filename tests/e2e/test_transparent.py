"""Programs that know nothing of the mesh, on hosts of their own: real servers, no configuration, mTLS between the hosts."""
import json
import re
import socket
import sys
import time

import pytest

import mesh
import processes
from test_redirection import Server, connect, greet
from transparent_mesh import TransparentMesh

SNIFFER = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
print("listening", flush=True)
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        file.write(wire.recv(65536))
"""


@pytest.fixture
def world(tmp_path):
    made = TransparentMesh(tmp_path)
    yield made
    try:
        dead = [c.argv for c in made.children if not c.running()]
    finally:
        made.close()
    assert not dead


def record(world, tmp_path):
    """What passes over the bridge, from now on."""
    path = str(tmp_path / "wire")
    child = world.start(world.network.hub, "sniffer", sys.executable, "-c", SNIFFER, path)
    processes.wait_until(lambda: "listening" in child.log(), "the wire is watched")

    def recorded():
        with open(path, "rb") as file:
            return file.read()
    return recorded


def redis(client, vip, *words):
    done = client.host.run("redis-cli", "-h", vip, "-p", "6379", *words)
    return done.strip()


def test_fault_78_redis_through_two_sidecars_without_configuration(world, tmp_path):
    server = world.add("redis", "--port", "6379")
    client = world.add("shop")
    world.start(server.host, "redis-server", "redis-server", "--port", "6379", "--save", "", "--protected-mode", "no", "--bind", "0.0.0.0")
    vip = world.vip("redis")
    wire = record(world, tmp_path)
    processes.wait_until(lambda: redis(client, vip, "PING") == "PONG", "redis answers through the mesh")
    assert redis(client, vip, "SET", "greeting", "TULLE-MARKER-IN-REDIS") == "OK"
    assert redis(client, vip, "GET", "greeting") == "TULLE-MARKER-IN-REDIS"
    # Typed by hand, too: a first line that only looks like HTTP.
    with connect(client.host, vip, 6379) as peer:
        peer.sendall(b"GET greeting\r\n")
        assert peer.recv(100).endswith(b"TULLE-MARKER-IN-REDIS\r\n")
    seen = wire()
    assert len(seen) > 1000 and b"MARKER" not in seen and b"PING" not in seen
    assert 'connection_security_policy="mutual_tls"' in world.metrics(server)


def test_a_member_called_by_its_own_address_is_called_in_the_mesh(world, tmp_path):
    """As Redis Cluster, Kafka and replica sets do: they name members by address."""
    server = world.add("redis", "--port", "6379")
    web = world.add("web", "--port", "8080:80/http")
    client = world.add("shop")
    world.start(server.host, "redis-server", "redis-server", "--port", "6379", "--save", "", "--protected-mode", "no", "--bind", "0.0.0.0")
    world.start(web.host, "http", sys.executable, "-m", "http.server", "8080", "--bind", "0.0.0.0", "--directory", str(world.logs))
    world.apply("""\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: everybody}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
""")
    wire = record(world, tmp_path)
    member = server.host.address

    def pings():
        try:
            return redis(client, member, "PING") == "PONG"
        except AssertionError:
            return False
    processes.wait_until(pings, "redis answers at its own address, though STRICT")
    assert redis(client, member, "SET", "greeting", "TULLE-MARKER-IN-REDIS") == "OK"

    def status(host):
        return client.host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://%s:8080/" % host)
    processes.wait_until(lambda: status(web.host.address) == "200", "the web answers at its own address")
    assert b"MARKER" not in wire()
    for of, who in ((server, "redis"), (web, "web")):
        assert 'connection_security_policy="mutual_tls"' in world.metrics(of)
        assert 'destination_service_name="%s"' % who in world.metrics(client)

    # The service's policy holds for its members too.
    world.apply("""\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: web}
spec:
  targetRef: {kind: Service, name: web}
  action: DENY
  rules: [{from: {principals: ["spiffe://cluster.local/ns/default/sa/shop"]}}]
""")
    processes.wait_until(lambda: status(web.host.address) == "403", "the policy of the service denies it")


def test_fault_78_smtp_speaks_first_through_two_sidecars(world, tmp_path):
    pytest.importorskip("aiosmtpd", reason="python3-aiosmtpd is not installed: scripts/install-packages installs it")
    server = world.add("mail", "--port", "8025:25")
    client = world.add("shop")
    smtp = world.start(server.host, "smtp", "/usr/bin/python3", "-u", "-m", "aiosmtpd", "-n", "-l", "0.0.0.0:8025", "-c", "aiosmtpd.handlers.Debugging", "stdout")
    vip = world.vip("mail")
    wire = record(world, tmp_path)
    mail = "import smtplib\nwith smtplib.SMTP(%r, 25, timeout=10) as s: s.sendmail('a@shop', ['b@mail'], 'Subject: TULLE-MARKER\\n\\nhello')" % vip
    processes.wait_until(lambda: sends(client, mail), "mail goes through the mesh")
    processes.wait_until(lambda: "TULLE-MARKER" in smtp.log(), "it has arrived")
    assert b"MARKER" not in wire() and b"HELO" not in wire().upper()


def sends(client, program):
    try:
        client.host.run("/usr/bin/python3", "-c", program)
        return True
    except AssertionError:
        return False


def test_the_first_greeting_waits_ten_milliseconds_the_next_none(world):
    server = world.add("mail", "--port", "8025:25")
    client = world.add("shop")
    greeter = Server(server.host, 8025, greet)
    try:
        vip = world.vip("mail")
        waits = []
        for _ in range(20):
            began = time.monotonic()
            with connect(client.host, vip, 25) as peer:
                assert peer.recv(100) == b"220 at your service\r\n"
                waits.append(greeter.accepted[-1] - began)
        # On demand the first also fetches its listener; the quickest of the others shows that none waits.
        assert min(waits[1:]) < 0.010, waits
        assert waits[0] >= 0.009, waits
    finally:
        greeter.close()


def test_a_workload_beside_the_control_plane_and_workloads_elsewhere(world):
    """The host that the control plane runs on has its connections redirected too."""
    hub = world.network.hub
    server = world.add("web", "--port", "8080:80", host=hub)
    client = world.add("shop")
    world.start(hub, "http", sys.executable, "-m", "http.server", "8080", "--bind", "0.0.0.0", "--directory", str(world.logs))
    vip = world.vip("web")
    processes.wait_until(lambda: "200" in client.host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://%s/" % vip), "the web answers")
    assert 'connection_security_policy="mutual_tls"' in world.metrics(server)
    # Who administrates the mesh from a workload's host dials through its sidecar.
    answer = client.host.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "https://%s:15016/v1/policies" % hub.address)
    assert answer == "401", answer


def test_http_by_its_name_with_the_callers_identity(world):
    server = world.add("web", "--port", "8080:80")
    client = world.add("shop")
    world.start(server.host, "http", sys.executable, "-m", "http.server", "8080", "--bind", "0.0.0.0", "--directory", str(world.logs))
    vip = world.vip("web")
    processes.wait_until(lambda: "200" in client.host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: web", "http://%s/" % vip),
                         "the web answers")
    metrics = world.metrics(client)
    assert 'destination_service_name="web"' in metrics and "istio_requests_total" in metrics


def test_fault_80_a_program_that_dials_in_plaintext_is_refused_when_strict(world):
    server = world.add("web", "--port", "8080:80")
    world.tullectl("apply", "-f", "-", text="""\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: everybody}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
""")
    greeter = Server(server.host, 8080, greet)
    try:
        def refused():
            try:
                with connect(world.network.hub, server.host.address, 8080) as peer:
                    peer.sendall(b"hello\r\n")
                    return peer.recv(100) == b""
            except ConnectionError:
                return True
        processes.wait_until(refused, "plaintext is refused")
        before = len(greeter.accepted)
        assert refused() and len(greeter.accepted) == before
        # So is it when the sidecar has died: the rules stay.
        server.sidecar.process.kill()
        server.sidecar.process.wait()
        world.children.remove(server.sidecar)
        assert refused() and len(greeter.accepted) == before
        with pytest.raises(ConnectionError):
            connect(server.host, world.network.hub.address, 15016)
    finally:
        greeter.close()


def test_unknown_addresses_pass_and_unknown_services_do_not(world):
    client = world.add("shop")
    outside = Server(world.network.hub, 7777, greet)
    try:
        with connect(client.host, world.network.hub.address, 7777) as peer:
            assert peer.recv(100) == b"220 at your service\r\n"
        with pytest.raises(OSError):
            with connect(client.host, "240.240.77.77", 80) as peer:
                peer.sendall(b"x")
                if peer.recv(10) == b"":
                    raise ConnectionResetError
    finally:
        outside.close()


EGRESS = """\
apiVersion: tulle.dev/v1alpha1
kind: EgressPolicy
metadata: {name: closed}
spec: {targetRef: {kind: Service, name: shop}, unknownDestinations: %s}
"""


def test_unknown_addresses_are_refused_where_a_policy_denies_them(world):
    client = world.add("shop")
    server = world.add("web", "--port", "8080:80")
    hub = world.network.hub
    for host, port, folder in ((hub, "7778", world.logs), (server.host, "8080", world.logs)):
        world.start(host, "http" + port, sys.executable, "-m", "http.server", port, "--bind", "0.0.0.0", "--directory", str(folder))
    outside = Server(hub, 7777, greet)

    def page(address):
        return client.host.run("sh", "-c", "curl -s -m 10 -w '\\n%%{http_code}' http://%s/ || true" % address)

    def greeting():
        try:
            with connect(client.host, hub.address, 7777) as peer:
                return peer.recv(100)
        except ConnectionError:
            return b""

    try:
        vip = world.vip("web")
        processes.wait_until(lambda: page(hub.address + ":7778").endswith("200") and page(vip).endswith("200"), "both answer")
        assert greeting() == b"220 at your service\r\n"
        passed = [line for line in world.metrics(client).splitlines() if line.startswith("istio_tcp_connections_closed_total")]
        assert any('destination_service="PassthroughCluster"' in line for line in passed), passed

        world.tullectl("apply", "-f", "-", text=EGRESS % "DENY")
        table = world.tullectl("get", "egp")
        assert "closed" in table and "Service/shop" in table and "unknown: DENY" in table, table
        processes.wait_until(lambda: page(hub.address + ":7778").endswith("502"), "HTTP is refused")
        assert "EgressPolicy denies" in page(hub.address + ":7778")
        answer = client.host.run("curl", "-si", "-m", "10", "http://%s:7778/" % hub.address)
        verdict = json.loads(world.tullectl("explain", re.search(r"x-request-id: (\S+)", answer).group(1), "-o", "json"))["verdict"]
        assert (verdict["cause"], verdict["policy"]) == ("egress_denied", "EgressPolicy default/closed"), verdict
        assert "kind: EgressPolicy" in world.tullectl(*verdict["command"].split()[1:])
        before = len(outside.accepted)
        assert greeting() == b"" and len(outside.accepted) == before
        assert page(vip).endswith("200"), "what is of the mesh goes on"
        metrics = world.metrics(client).splitlines()
        for family, code in (("istio_requests_total", 'response_code="502"'), ("istio_tcp_connections_opened_total", 'response_flags="UH"')):
            rows = [line for line in metrics if line.startswith(family) and 'destination_service="BlackHoleCluster"' in line and code in line]
            assert rows and float(rows[0].split()[-1]) >= 1, (family, rows)
        assert "rejected" not in world.tullectl("status").lower()

        with pytest.raises(mesh.Refused, match="EgressPolicy default/closed already defines the unknown destinations of Service default/shop"):
            world.tullectl("apply", "-f", "-", text=(EGRESS % "ALLOW").replace("closed", "other"))
        world.tullectl("apply", "-f", "-", text=EGRESS % "ALLOW")
        processes.wait_until(lambda: greeting() == b"220 at your service\r\n", "it passes again")
    finally:
        outside.close()


def test_fault_61_serves_from_disk_while_the_control_plane_is_down(world):
    server = world.add("web", "--port", "8080:80")
    client = world.add("shop")
    greeter = Server(server.host, 8080, greet)
    try:
        vip = world.vip("web")

        def greeted():
            try:
                with connect(client.host, vip, 80) as peer:
                    return peer.recv(100) == b"220 at your service\r\n"
            except (socket.timeout, ConnectionError):
                return False
        processes.wait_until(greeted, "the mesh works")
        time.sleep(1.5)  # the last good configuration is written a second after it came
        world.control.stop()
        world.children.remove(world.control)
        client.sidecar.stop()
        world.children.remove(client.sidecar)
        client.sidecar = world.start(client.host, "shop-again", *client.sidecar.argv[client.sidecar.argv.index(world.programs["sidecar"]):], uid=1337)
        processes.wait_until(lambda: "ready" in client.sidecar.log(), "it is ready again")
        assert greeted()
    finally:
        greeter.close()
