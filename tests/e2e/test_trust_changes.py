"""Open connections are judged again when roots or allowed names change: only those end whose peer no longer passes."""
import socket
import threading

import ads
import bootstrap
import h2raw
import pki
import processes
import pytest
import raw
from byte_server import ByteServer, echo
from origin import reply
from steered import SERVER, connect, is_reset, tls_socket

BOTH = [{"san_type": "URI", "matcher": {"exact": pki.spiffe(name)}} for name in ("old", "new", "server")]


@pytest.fixture
def roots(tmp_path):
    return pki.Authority(tmp_path, "old-root"), pki.Authority(tmp_path, "new-root")


def get(client, path="/"):
    client.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
    return client.response()


def serves(client):
    return get(client).status == 200


def echoes(sock):
    sock.sendall(b"ping")
    return sock.recv(4) == b"ping"


class Inbound:
    """A steered sidecar that takes HTTP and bytes over mTLS, and what is connected to it."""

    def __init__(self, management, start, origin, byte_port, roots, names):
        self.management = management
        self.old, self.new = roots
        self.http_port, self.tcp_port = processes.free_port(), processes.free_port()
        self.allow(names)
        management.put("cluster", bootstrap.cluster("origin", [origin.port]))
        management.put("cluster", bootstrap.cluster("bytes", [byte_port]))
        self.renew(self.old)
        self.trust(self.old, self.new)
        self.sidecar = start()
        for port in (self.http_port, self.tcp_port):
            self.sidecar.wait_for_port(port)

    def allow(self, names):
        for port, name, proxy in ((self.http_port, "http", bootstrap.connection_manager()),
                                  (self.tcp_port, "tcp", bootstrap.tcp_proxy("bytes"))):
            tls = tls_socket("Downstream", names, require_client_certificate=True, alpn=["h2", "http/1.1"] if name == "http" else ["istio"])
            self.management.put("listener", bootstrap.listener(port, proxy, tls=tls, name=name, traffic_direction="INBOUND"))

    def renew(self, authority):
        self.management.put("secret", ads.certificate_secret("default", authority.issue("server", [SERVER])))

    def trust(self, *authorities):
        self.management.put("secret", ads.roots_secret("ROOTCA", *authorities))

    def in_force(self, accepted, refused=None):
        """Waits until new connections are judged by the last push."""
        def passes(identity):
            try:
                with raw.Raw(0, connect(self.http_port, identity)) as client:
                    return serves(client)
            except (OSError, EOFError):
                return False
        processes.wait_until(lambda: passes(accepted) and not (refused and passes(refused)), "the push is in force")


@pytest.fixture
def inbound(management, dynamic, make_origin, roots):
    released = threading.Event()

    def answer(request, _):
        if request.path == "/slow":
            released.wait(15)
        return reply()
    origin = make_origin(answer)
    server = ByteServer(echo)
    made = Inbound(management, dynamic, origin, server.port, roots, BOTH)
    made.origin, made.release = origin, released.set
    yield made
    released.set()
    server.close()


def test_fault_42_a_root_that_goes_takes_only_its_peers(inbound):
    old = inbound.old.issue("client-old", [pki.spiffe("old")])
    new = inbound.new.issue("client-new", [pki.spiffe("new")])
    clients = {name: raw.Raw(0, connect(inbound.http_port, who)) for name, who in (("old", old), ("busy", old), ("new", new))}
    assert all(serves(c) for c in clients.values())
    relays = {name: connect(inbound.tcp_port, who, ["istio"]) for name, who in (("old", old), ("new", new))}
    assert all(echoes(r) for r in relays.values())
    session = h2raw.H2(0, connect(inbound.http_port, old, ["h2"]))
    stream = session.open(h2raw.request(path="/slow", scheme="https"))
    clients["busy"].send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    processes.wait_until(lambda: sum(r.path == "/slow" for r in inbound.origin.requests) == 2, "the slow requests are there")

    # The own certificate is renewed under the new root, and roots overlap: nobody is touched.
    inbound.renew(inbound.new)
    inbound.in_force(old)
    assert serves(clients["old"]) and serves(clients["new"]) and all(echoes(r) for r in relays.values())

    inbound.trust(inbound.new)
    inbound.in_force(new, old)
    assert clients["old"].closed()
    assert is_reset(relays["old"])
    assert serves(clients["new"]) and echoes(relays["new"])
    # What was under way is answered, and then the connection ends.
    assert session.until(lambda: session.goaway is not None) and session.goaway == 0
    inbound.release()
    response = clients["busy"].response()
    assert response.status == 200 and response.header("connection") == ["close"] and clients["busy"].closed()
    assert session.whole(stream) == (200, b"ok\n") and session.drained()
    assert serves(clients["new"]) and echoes(relays["new"])


def test_a_name_that_goes_takes_only_its_peers(inbound):
    old = inbound.old.issue("client-old", [pki.spiffe("old")])
    new = inbound.old.issue("client-new", [pki.spiffe("new")])
    clients = [raw.Raw(0, connect(inbound.http_port, who)) for who in (old, new)]
    relays = [connect(inbound.tcp_port, who, ["istio"]) for who in (old, new)]
    assert all(serves(c) for c in clients) and all(echoes(r) for r in relays)
    inbound.allow(BOTH[1:])
    inbound.in_force(new, old)
    assert clients[0].closed() and is_reset(relays[0])
    assert serves(clients[1]) and echoes(relays[1])


def test_an_upstream_whose_root_goes_gets_no_further_request(management, dynamic, run_sidecar, origin, roots):
    old, new = roots
    byte_server = ByteServer(echo)
    http_inner, tcp_inner, http_port, tcp_port = (processes.free_port() for _ in range(4))
    server = old.issue("server", [SERVER])
    run_sidecar([bootstrap.listener(http_inner, bootstrap.connection_manager(), tls=bootstrap.downstream_tls(server)),
                 bootstrap.listener(tcp_inner, bootstrap.tcp_proxy("bytes"), tls=bootstrap.downstream_tls(server, alpn=("istio",)))],
                [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("bytes", ports=[byte_server.port])])
    management.put("secret", ads.certificate_secret("default", old.issue("client", [pki.spiffe("old")])))
    management.put("secret", ads.roots_secret("ROOTCA", old))
    tls = tls_socket("Upstream", BOTH, alpn=["http/1.1"])
    management.put("cluster", bootstrap.cluster("origin", [http_inner], tls=tls))
    management.put("cluster", bootstrap.cluster("bytes", [tcp_inner], tls=tls_socket("Upstream", BOTH, alpn=["istio"])))
    management.put("listener", bootstrap.listener(http_port, bootstrap.connection_manager(), name="http"))
    management.put("listener", bootstrap.listener(tcp_port, bootstrap.tcp_proxy("bytes"), name="tcp"))
    front = dynamic()
    for port in (http_port, tcp_port):
        front.wait_for_port(port)

    relay = socket.create_connection(("127.0.0.1", tcp_port), 10)
    assert echoes(relay) and raw.get(http_port).status == 200
    management.put("secret", ads.roots_secret("ROOTCA", old, new))
    assert echoes(relay) and raw.get(http_port).status == 200
    management.put("secret", ads.roots_secret("ROOTCA", new))
    relay.settimeout(10)
    with pytest.raises(ConnectionResetError):
        assert relay.recv(10) == b"", "a clean end"
    # On the connection that is open already nothing more is sent.
    assert raw.get(http_port).status == 503
    assert len(origin.requests) == 2
    byte_server.close()
