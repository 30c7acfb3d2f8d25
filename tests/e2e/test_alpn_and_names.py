"""What a TLS client offers (ALPN) and whom it names (SNI) decide where it goes; a request for another name than the connection's is misdirected."""
import socket
import ssl
import threading

import bootstrap
import h2raw
import pki
import processes
import pytest
import raw
from origin import reply

INSPECTOR = {"name": "envoy.filters.listener.tls_inspector", "typed_config": {
    "@type": bootstrap.TYPE + "extensions.filters.listener.tls_inspector.v3.TlsInspector"}}
MESH_HTTP = ["istio-h2", "h2", "istio-http/1.1", "http/1.1"]


def chain(proxy, match, tls=None):
    made = {"filter_chain_match": match, "filters": [proxy]}
    if tls:
        made["transport_socket"] = tls
    return made


def listener(port, *chains):
    return {"name": "l%d" % port, "address": bootstrap.address(port), "listener_filters": [INSPECTOR], "filter_chains": list(chains),
            "traffic_direction": "INBOUND"}


def connect(port, identity=None, alpn=(), name=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity:
        context.load_cert_chain(identity.chain_path, identity.key_path)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    sock = socket.create_connection(("127.0.0.1", port), raw.TIMEOUT)
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except Exception:
        sock.close()
        raise


class TlsApplication:
    """An application with TLS of its own: says its name to whoever comes."""

    def __init__(self, identity):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.chain_path, identity.key_path)
        self.context.set_alpn_protocols(["foo"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
                with self.context.wrap_socket(sock, server_side=True) as tls:
                    tls.sendall(b"application")
                    tls.unwrap()
            except ssl.SSLError:
                continue
            except OSError:
                return

    def close(self):
        self.listener.close()


@pytest.fixture
def mesh_side(run_sidecar, authority, origin):
    """start(strict) -> port: chains as the control plane writes them; HTTP, bytes, and the application's own TLS."""
    application = TlsApplication(authority.issue("application", [], dns=["application.test"]))
    own = authority.issue("server", [pki.spiffe("server")], dns=["server.test"])
    threads = socket.create_server(("127.0.0.1", 0))

    def answer():
        while True:
            try:
                sock, _ = threads.accept()
            except OSError:
                return
            with sock:
                sock.sendall(b"bytes")

    threading.Thread(target=answer, daemon=True).start()

    def start(strict):
        port = processes.free_port()
        chains = [chain(bootstrap.connection_manager(), {"transport_protocol": "tls", "application_protocols": MESH_HTTP}, bootstrap.downstream_tls(own)),
                  chain(bootstrap.tcp_proxy("bytes"), {"transport_protocol": "tls", "application_protocols": ["istio"]},
                        bootstrap.downstream_tls(own, alpn=("istio",)))]
        if not strict:
            chains.append(chain(bootstrap.tcp_proxy("application"), {"transport_protocol": "tls"}))
        run_sidecar([listener(port, *chains)], [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("bytes", [threads.getsockname()[1]]),
                                                bootstrap.cluster("application", [application.port])])
        return port

    yield start
    application.close()
    threads.close()


@pytest.mark.parametrize("alpn", [(), ("foo",), ("foo", "bar")])
def test_fault_90_who_does_not_speak_the_meshs_protocols_reaches_the_application(mesh_side, alpn):
    with connect(mesh_side(strict=False), alpn=alpn) as client:
        assert client.recv(100) == b"application"
        assert client.selected_alpn_protocol() == ("foo" if alpn else None), "the application's own answer"


@pytest.mark.parametrize("alpn", [(), ("foo",)])
def test_fault_90_or_is_turned_away_where_the_mesh_is_strict(mesh_side, authority, origin, alpn):
    port = mesh_side(strict=True)
    with pytest.raises(OSError):
        connect(port, authority.issue("client", [pki.spiffe("client")]), alpn)
    assert origin.requests == []


@pytest.mark.parametrize("alpn,chosen", [(("istio-http/1.1", "http/1.1"), "http/1.1"), (("istio-h2", "h2"), "h2"), (("foo", "http/1.1"), "http/1.1"),
                                         (("istio-http/1.1",), None)])
def test_fault_90_the_meshs_protocols_are_http(mesh_side, authority, alpn, chosen):
    sock = connect(mesh_side(strict=False), authority.issue("client", [pki.spiffe("client")]), alpn)
    assert sock.selected_alpn_protocol() == chosen
    if chosen == "h2":
        session = h2raw.H2(0, sock)
        assert session.whole(session.open(h2raw.request(scheme="https")))[0] == 200
        return
    with raw.Raw(0, sock) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200


def test_fault_90_bytes_are_no_http(mesh_side, authority):
    with connect(mesh_side(strict=False), authority.issue("client", [pki.spiffe("client")]), ("istio",)) as client:
        assert client.selected_alpn_protocol() == "istio"
        assert client.recv(100) == b"bytes"


@pytest.mark.parametrize("alpn", [(), ("foo",)])
def test_fault_90_without_a_common_protocol_the_first_bytes_tell(run_sidecar, authority, origin, alpn):
    """One chain for all: what was offered is no reason to refuse, as in Envoy."""
    port = processes.free_port()
    own, client = authority.issue("server", [pki.spiffe("server")]), authority.issue("client", [pki.spiffe("client")])
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(), tls=bootstrap.downstream_tls(own))], [bootstrap.cluster(ports=[origin.port])])
    with raw.Raw(0, connect(port, client, alpn)) as one:
        one.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert one.response().status == 200
    session = h2raw.H2(0, connect(port, client, alpn))
    assert session.whole(session.open(h2raw.request(scheme="https")))[0] == 200


@pytest.fixture
def gateway(run_sidecar, authority, make_origin):
    """TLS ends here for two names and a wildcard, and for a sidecar's made-up name; a chain without TLS of ours has a name too."""
    port = processes.free_port()
    own = authority.issue("server", [pki.spiffe("server")])
    origins = {}
    chains, clusters = [], []
    for name, names in (("a", ["a.test"]), ("b", ["b.test", "outbound_.80_._.b.test"]), ("wild", ["*.wild.test"])):
        origins[name] = make_origin(lambda request, _, name=name: reply(name.encode()))
        manager = bootstrap.connection_manager([bootstrap.route(name)])
        chains.append(chain(manager, {"server_names": names}, bootstrap.downstream_tls(own)))
        clusters.append(bootstrap.cluster(name, [origins[name].port]))
    chains.append(chain(bootstrap.tcp_proxy("a"), {"server_names": ["passed.test"]}))
    run_sidecar([listener(port, *chains)], clusters)
    client = authority.issue("client", [pki.spiffe("client")])
    return lambda name, alpn=("http/1.1",): connect(port, client, alpn, name)


def ask(client, host):
    client.send(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
    answer = client.response()
    return answer.status, answer.body.decode() if answer.status == 200 else ""


def test_fault_90_a_request_for_another_chains_name_is_misdirected(gateway):
    with raw.Raw(0, gateway("a.test")) as client:
        assert ask(client, "a.test") == (200, "a")
        assert ask(client, "A.Test:8443") == (200, "a")
        assert ask(client, "b.test") == (421, "")
        assert ask(client, "B.TEST.:443") == (421, "")
        assert ask(client, "x.wild.test") == (421, "")
        assert ask(client, "passed.test") == (421, "")
        assert ask(client, "unknown.test") == (200, "a"), "nobody else answers for it: routes decide"
        assert ask(client, "a.test") == (200, "a"), "the connection goes on"


def test_fault_90_names_are_compared_without_case_and_by_wildcard(gateway):
    with raw.Raw(0, gateway("X.wild.test")) as client:
        assert ask(client, "x.wild.test") == (200, "wild")
        assert ask(client, "y.wild.test") == (200, "wild"), "a browser shares a connection among names of one chain"
        assert ask(client, "a.test") == (421, "")


def test_fault_90_over_http_2_only_that_stream_is_refused(gateway):
    session = h2raw.H2(0, gateway("a.test", ("h2",)))
    assert session.whole(session.open(h2raw.request(scheme="https", authority="b.test")))[0] == 421
    assert session.whole(session.open(h2raw.request(scheme="https", authority="a.test"))) == (200, b"a")


def test_fault_90_names_between_sidecars_are_no_hosts(gateway):
    with raw.Raw(0, gateway("outbound_.80_._.b.test")) as client:
        assert ask(client, "b.test") == (200, "b")
        assert ask(client, "a.test") == (200, "b"), "what a service is called is the caller's affair"
