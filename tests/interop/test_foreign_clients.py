"""Programs that people already run call the mesh: HTTP/1.0 of nginx and ab, and TLS without ALPN of Python."""
import http.client
import os
import re
import ssl
import subprocess
import sys
import urllib.request

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import processes  # noqa: E402
import raw  # noqa: E402
from mesh import Mesh  # noqa: E402
from origin import reply  # noqa: E402

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
STRICT = """\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: everybody}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    made = Mesh(tmp_path_factory.mktemp("mesh"))
    made.caller, made.web = made.add("caller"), made.add("web")
    yield made
    made.close()


@pytest.fixture
def web(mesh):
    mesh.web.origin.answer = lambda request, sock: reply(body=request.path.encode())
    yield mesh.web


@pytest.fixture
def nginx(mesh, tmp_path):
    """start(port) -> the port of an nginx that passes everything on to `port` as the service web, as it does by default."""
    program = processes.program("nginx")
    if not program:
        pytest.skip("nginx is not installed: scripts/install-packages")
    children = []

    def start(to):
        port = processes.free_port()
        temps = " ".join("%s_temp_path %s/t;" % (kind, tmp_path) for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (tmp_path / "nginx.conf").write_text(
            "daemon off; master_process off; pid %s/pid; error_log %s/error.log; events {} http { access_log off; %s "
            "server { listen 127.0.0.1:%d; location / { proxy_pass http://127.0.0.1:%d; proxy_set_header Host web; } } }"
            % (tmp_path, tmp_path, temps, port, to))
        children.append(mesh.start([program, "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf")], "nginx"))
        children[-1].wait_for_port(port)
        return port

    yield start
    for child in children:
        child.stop()


@pytest.mark.parametrize("hop", ["outbound", "inbound"])
def test_an_nginx_with_its_default_proxy_pass(mesh, web, nginx, hop):
    port = nginx(mesh.caller.outbound if hop == "outbound" else web.inbound)
    for _ in range(3):
        assert raw.get(port, path="/a").body == b"/a"
    web.origin.answer = lambda request, sock: CHUNKED
    assert raw.get(port).body == b"ok", "chunks of the application do not reach an HTTP/1.0 client"


def ab(port, *arguments):
    program = processes.program("ab")
    if not program:
        pytest.skip("ab is not installed: scripts/install-packages")
    done = subprocess.run([program, "-q", "-n", "200", "-c", "4", "-H", "Host: web", *arguments, "http://127.0.0.1:%d/a" % port],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(value) for name, value in re.findall(r"^(\w[\w -]*): +(\d+)", done.stdout, re.M)}


def test_ab_with_and_without_keep_alive(mesh, web):
    for arguments, kept in (((), None), (("-k",), 200)):
        counts = ab(mesh.caller.outbound, *arguments)
        assert (counts["Complete requests"], counts["Failed requests"]) == (200, 0), counts
        assert counts.get("Keep-Alive requests") == kept, counts


def test_http_1_0_on_the_wire(mesh, web):
    with raw.Raw(web.inbound) as client:
        client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
        for _ in range(2):
            response = client.response(version=b"HTTP/1.0")
            assert (response.status, response.body, response.header("connection")) == (200, b"/a", ["keep-alive"])
    assert web.origin.requests[-1].header("host") == ["web.default.svc.cluster.local"], "without Host the service is meant"
    web.origin.answer = lambda request, sock: CHUNKED
    with raw.Raw(web.inbound) as client:
        client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        response = client.response(version=b"HTTP/1.0")
        assert (response.body, response.header("connection"), response.header("transfer-encoding")) == (b"ok", ["close"], [])
        client.closed()


def test_http_1_0_without_host_at_the_explicit_listener_and_with_transfer_encoding_are_refused(mesh, web):
    for port, request in ((mesh.caller.outbound, b"GET /a HTTP/1.0\r\n\r\n"),
                          (web.inbound, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")):
        with raw.Raw(port) as client:
            client.send(request)
            assert client.response().status == 400
            client.closed()


@pytest.fixture(params=["PERMISSIVE", "STRICT"])
def identity(mesh, tmp_path, request):
    """A TLS context with a certificate of the mesh, for a program without a sidecar."""
    if request.param == "STRICT":
        mesh.apply(STRICT)
        processes.wait_until(lambda: mesh.in_step("web") and refuses_plaintext(mesh.web.inbound), "plaintext is refused")
    mesh.tullectl("cert", "issue", "--service", "legacy", "--out", str(tmp_path))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.check_hostname = False  # the server's certificate has a SPIFFE ID alone
    context.load_cert_chain(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    yield context
    if request.param == "STRICT":
        mesh.tullectl("delete", "peerauthentication", "everybody")
        processes.wait_until(lambda: not refuses_plaintext(mesh.web.inbound), "plaintext is accepted again")


def refuses_plaintext(port):
    try:
        return raw.get(port).status != 200
    except (OSError, EOFError):
        return True


def test_tls_with_a_certificate_of_the_mesh_and_no_alpn(web, identity):
    connection = http.client.HTTPSConnection("127.0.0.1", web.inbound, context=identity, timeout=20)
    connection.request("GET", "/a")
    assert connection.sock.selected_alpn_protocol() is None
    assert connection.getresponse().read() == b"/a"
    connection.close()
    answer = urllib.request.urlopen("https://127.0.0.1:%d/b" % web.inbound, context=identity, timeout=20)
    assert answer.read() == b"/b"
    assert "URI=spiffe://cluster.local/ns/default/sa/legacy" in web.origin.requests[-1].header("x-forwarded-client-cert")[0]


def test_tls_without_a_certificate_is_refused(web, identity):
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    served = len(web.origin.requests)
    with pytest.raises(OSError):
        urllib.request.urlopen("https://127.0.0.1:%d/" % web.inbound, context=stranger, timeout=20).read()
    assert len(web.origin.requests) == served
