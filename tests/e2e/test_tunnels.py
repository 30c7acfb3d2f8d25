"""CONNECT through the explicit HTTP listener: real curl and TLS of the application, through the mTLS of the mesh, to names of the mesh only."""
import http.server
import os
import re
import socket
import ssl
import subprocess
import threading

import pki
import processes
import pytest
import raw
from byte_server import ByteServer, echo
from mesh import Mesh

EXTERNAL = """\
apiVersion: tulle.dev/v1alpha1
kind: ExternalService
metadata: {name: outside}
spec: {hosts: [outside.example.com], ports: [{number: %d, protocol: tcp}], endpoints: [127.0.0.1]}
"""
DENY = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: no-callers}
spec:
  targetRef: {kind: Service, name: db}
  action: DENY
  rules: [{from: {principals: ["spiffe://cluster.local/ns/default/sa/caller"]}}]
"""


def greeter(sock):
    """Speaks first, as databases do."""
    sock.sendall(b"hello\n")
    echo(sock)


class TlsApplication:
    """An HTTPS server with a certificate that the mesh knows nothing of."""

    def __init__(self, folder):
        authority = pki.Authority(folder, "application")
        self.identity = authority.issue("application", [], dns=("secure",))

        class Hello(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                self.send_response(200)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"secret")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.identity.chain_path, self.identity.key_path)
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class World:
    """A caller; `web` with an HTTP port, `db` with one of bytes, `secure` with TLS of its own."""

    def __init__(self, folder):
        self.mesh = Mesh(folder)
        self.database = ByteServer(greeter)
        self.tls = TlsApplication(folder)
        self.web = self.mesh.add("web")
        self.db = self.add("db", "%d:5432/tcp" % self.database.port)
        self.secure = self.add("secure", "%d:443/tcp" % self.tls.port)
        self.caller = self.mesh.add("caller")
        processes.wait_until(lambda: all(raw.get(self.caller.outbound, "/", host=each).status == 200 for each in ("web", "db", "secure")),
                             "the caller reaches them")

    def add(self, name, port):
        workload = self.mesh.new_workload(name)
        self.mesh.make_token(name)
        self.mesh.start_sidecar(workload, "--inbound", "%d:%s" % (processes.free_port(), port))
        workload.instance = self.mesh.wait_in_step(workload)
        return workload

    def connect(self, target, version="HTTP/1.1"):
        """The connection and what was answered to CONNECT."""
        sock = socket.create_connection(("127.0.0.1", self.caller.outbound), 20)
        sock.sendall(("CONNECT %s %s\r\nHost: %s\r\n\r\n" % (target, version, target)).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = sock.recv(4096)
            if not data:
                break
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        return sock, head.decode(), rest

    def curl(self, *arguments):
        return subprocess.run(["curl", "-sS", "-p", "-m", "20", "-x", "http://127.0.0.1:%d" % self.caller.outbound, *arguments],
                              capture_output=True, text=True, timeout=60, check=False, env={"PATH": os.environ["PATH"]})

    def counted(self):
        text = raw.get(self.caller.admin, "/stats/prometheus", host="127.0.0.1").body.decode()
        return [line for line in text.splitlines() if line.startswith("istio_requests_total{")]

    def close(self):
        self.mesh.close()
        self.database.close()
        self.tls.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("tunnels"))
    yield made
    made.close()


def test_curl_reaches_a_service_by_its_name(world):
    done = world.curl("http://web:80/through")
    assert done.returncode == 0, done.stderr
    (request,) = [r for r in world.web.origin.requests if r.path == "/through"]
    assert "URI=spiffe://cluster.local/ns/default/sa/caller" in ",".join(request.header("x-forwarded-client-cert")), "by the mesh's mTLS"


def test_curl_speaks_tls_with_the_application_itself(world):
    done = world.curl("--cacert", world.tls.identity.ca_path, "https://secure/")
    assert (done.returncode, done.stdout) == (0, "secret"), done.stderr
    done = world.curl("https://secure/")
    assert done.returncode == 60, "its certificate is what curl verifies: " + done.stderr


def test_a_server_may_speak_first_and_each_direction_ends_for_itself(world):
    sock, head, rest = world.connect("db:5432")
    with sock:
        assert re.match(r"HTTP/1\.1 200 ", head) and "content-length" not in head.lower() and "transfer-encoding" not in head.lower(), head
        payload = os.urandom(1 << 20)
        sender = threading.Thread(target=lambda: (sock.sendall(payload), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        came = rest
        while True:
            data = sock.recv(1 << 16)
            if not data:
                break
            came += data
        sender.join()
        assert came == b"hello\n" + payload


def test_it_is_counted_with_the_service(world):
    sock, _, _ = world.connect("db.default.svc.cluster.local:5432")
    sock.close()
    processes.wait_until(lambda: [line for line in world.counted() if 'destination_service="db.default.svc.cluster.local"' in line and
                                  'response_code="200"' in line and 'connection_security_policy' in line], "the tunnel is counted")


@pytest.mark.parametrize("target", ["127.0.0.1:22", "example.com:443", "web:81", "db:80000", "localhost:%d"])
def test_no_other_name_is_reached(world, target):
    secret = ByteServer(lambda sock: sock.sendall(b"inside"))
    try:
        sock, head, rest = world.connect(target % secret.port if "%d" in target else target)
        with sock:
            assert re.match(r"HTTP/1\.1 (404|400) ", head), head
            assert b"inside" not in rest + sock.recv(100)
    finally:
        secret.close()
    done = world.curl("http://example.com:81/")
    assert done.returncode == 56 and "404" in done.stderr, done.stderr


def test_a_port_of_bytes_explains_itself_to_http(world):
    answered = raw.get(world.caller.outbound, "/", host="db:5432")
    assert answered.status == 404 and b"CONNECT" in answered.body


def test_an_external_service_is_a_name_of_the_mesh(world):
    world.mesh.apply(EXTERNAL % world.database.port)

    def hello():
        sock, head, rest = world.connect("outside.example.com:%d" % world.database.port)
        with sock:
            return " 200 " in head and (rest or sock.recv(100)) == b"hello\n"
    processes.wait_until(hello, "the tunnel leads to it")


def test_authorization_of_the_called_service_holds(world):
    world.mesh.apply(DENY)

    def is_refused():
        sock, _, rest = world.connect("db:5432")
        with sock:
            try:
                return (rest or sock.recv(100)) == b""
            except ConnectionResetError:
                return True
    processes.wait_until(is_refused, "db refuses the caller")
    world.mesh.tullectl("delete", "authorizationpolicy", "no-callers")
    processes.wait_until(lambda: not is_refused(), "db admits it again")
