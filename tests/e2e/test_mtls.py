"""Faults 32 to 38 at the inbound side, and two sidecars with mTLS between."""
import socket
import ssl

import bootstrap
import pki
import processes
import pytest
import raw

SERVER = pki.spiffe("server")


@pytest.fixture
def inbound(run_sidecar, origin, authority):
    """A sidecar that takes HTTP over mutual TLS only."""
    port = processes.free_port()
    identity = authority.issue("server", [SERVER], dns=["server.test"])
    manager = bootstrap.connection_manager(forward_client_cert_details="SANITIZE_SET", set_current_client_cert_details={"uri": True})
    sidecar = run_sidecar([bootstrap.listener(port, manager, tls=bootstrap.downstream_tls(identity), traffic_direction="INBOUND")],
                          [bootstrap.cluster(ports=[origin.port])])
    return sidecar, port, origin


def tls(port, identity=None, alpn=("http/1.1",), lowest=None, highest=None, ciphers=None):
    """A TLS connection by OpenSSL; raises ssl.SSLError or OSError if the server refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if lowest or highest:
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = lowest or highest
            context.maximum_version = highest or lowest
    if ciphers:
        context.set_ciphers(ciphers)
    if identity:
        context.load_cert_chain(identity.chain_path, identity.key_path)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    sock = socket.create_connection(("127.0.0.1", port), 10)
    try:
        return context.wrap_socket(sock, server_hostname="server.test")
    except Exception:
        sock.close()
        raise


def served(port, identity=None, **options):
    """True if a request gets through, False if the server refuses, in the handshake or (TLS 1.3) at the first read."""
    try:
        with raw.Raw(0, sock=tls(port, identity, **options)) as client:
            client.sock.sendall(b"GET /tls HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.response().status == 200
    except (OSError, EOFError):
        return False


def refused(inbound, identity=None, **options):
    sidecar, port, origin = inbound
    assert not served(port, identity, **options), "a bad peer was served"
    assert origin.paths() == [], "the request of a bad peer reached the application"
    assert sidecar.running()


def test_a_good_peer_is_served_and_named(inbound, authority):
    _, port, origin = inbound
    assert served(port, authority.issue("client", [pki.spiffe("client")]))
    assert "URI=" + pki.spiffe("client") in origin.requests[0].header("x-forwarded-client-cert")[0]


def test_fault_32_garbage_and_plaintext_on_the_tls_port(inbound, authority):
    sidecar, port, origin = inbound
    for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0" * 1000, b"\x16\x03\x01\xff\xff" + b"\xff" * 70000, b"\x16\x03\x01\x00\x05hello",
                 b"\x15\x03\x03\x00\x02\x02\x28", b"\x80\x2e\x01\x00\x02" + b"a" * 44, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with raw.Raw(port) as client:
            client.send(data)
            assert client.closed(), "still open after %r" % data[:20]
    assert origin.paths() == [] and not origin.malformed
    assert served(port, authority.issue("client", [pki.spiffe("client")]))


def test_fault_32_half_a_hello_then_the_end(inbound, authority):
    sidecar, port, origin = inbound
    before = sidecar.open_descriptors()
    for size in (1, 4, 5, 6, 50):
        with raw.Raw(port) as client:
            client.send((b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"r" * 100)[:size])
            client.sock.shutdown(socket.SHUT_WR)
            assert client.closed()
    processes.wait_until(lambda: sidecar.open_descriptors() <= before, "descriptors leak")
    assert origin.paths() == []


def test_fault_32_tls_on_a_plaintext_port(proxy):
    with pytest.raises(OSError):
        tls(proxy.port)
    assert proxy.origin.paths() == [] and raw.get(proxy.port).status == 200


def test_fault_33_old_versions(inbound, authority):
    identity = authority.issue("client", [pki.spiffe("client")])
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2):
        refused(inbound, identity, highest=version, ciphers="ALL:@SECLEVEL=0")


def test_fault_34_certificate_absent_expired_or_early(inbound, authority):
    refused(inbound)
    refused(inbound, authority.issue("expired", [pki.spiffe("client")], start=-7200, end=-60))
    refused(inbound, authority.issue("early", [pki.spiffe("client")], start=3600, end=7200))


def test_fault_35_other_authority_or_other_trust_domain(inbound, authority, tmp_path):
    other = pki.Authority(tmp_path, "other")
    refused(inbound, other.issue("stranger", [pki.spiffe("client")]))
    refused(inbound, authority.issue("foreign", [pki.spiffe("client", "elsewhere.org")]))
    refused(inbound, authority.issue("prefixed", [pki.spiffe("client", "cluster.local.evil.org")]))


@pytest.mark.parametrize("uris", [
    [pki.spiffe("client"), pki.spiffe("other")], [], ["spiffe://cluster.local/ns/default/sa/../admin"], ["spiffe://cluster.local/ns/%61/sa/b"],
    ["spiffe://cluster.local/ns/a/sa/b?x=y"], ["spiffe://cluster.local:443/ns/a/sa/b"], ["https://cluster.local/ns/a/sa/b"],
    ["spiffe://cluster.local/"], ["spiffe://cluster.local"], ["spiffe://cluster.local//ns/a"], ["spiffe://CLUSTER.local/ns/a/sa/b"],
    ["spiffe://user@cluster.local/ns/a/sa/b"], ["spiffe://cluster.local/ns/a/sa/b#f"], ["spiffe://cluster.local/ns/a/sa/b/"],
    [pki.spiffe("client"), "https://example.org/"]])
def test_fault_36_names_that_are_not_one_spiffe_id(inbound, authority, uris):
    refused(inbound, authority.issue("odd", uris, dns=["a.test"]))


def test_fault_37_certificates_of_the_wrong_kind(inbound, authority):
    uri = [pki.spiffe("client")]
    refused(inbound, authority.issue("ca-leaf", uri, ca=True))
    refused(inbound, authority.issue("sign-leaf", uri, cert_sign=True))
    refused(inbound, authority.issue("server-only", uri, client=False))
    refused(inbound, authority.self_signed("self", uri[0]))


def test_fault_37_a_leaf_cannot_issue(inbound, authority):
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    middle = authority.issue("middle", [pki.spiffe("middle")])
    with open(middle.chain_path, "rb") as chain, open(middle.key_path, "rb") as key:
        issuer = (x509.load_pem_x509_certificate(chain.read()), serialization.load_pem_private_key(key.read(), None))
    refused(inbound, authority.issue("child", [pki.spiffe("client")], issuer=issuer))


@pytest.mark.parametrize("name", ["X-Forwarded-Client-Cert", "x-forwarded-client-cert", "X-Envoy-Peer-Metadata", "X-Envoy-Original-Path"])
def test_fault_38_spoofed_identity_headers(inbound, authority, name):
    _, port, origin = inbound
    with raw.Raw(0, sock=tls(port, authority.issue("client", [pki.spiffe("client")]))) as client:
        client.sock.sendall(b"GET /spoof HTTP/1.1\r\nHost: a\r\n%s: URI=%s\r\n\r\n" % (name.encode(), pki.spiffe("admin").encode()))
        assert client.response().status == 200
    assert not any("sa/admin" in value for value in origin.requests[0].header(name))


def two_hops(run_sidecar, authority, origin_port, *, client=None, server=None, http2=False, filters=(), **options):
    """Client sidecar -> mTLS -> server sidecar -> origin; returns (port, client sidecar, server sidecar)."""
    inner, outer = processes.free_port(), processes.free_port()
    server = server or authority.issue("server", [SERVER])
    client = client or authority.issue("client", [pki.spiffe("client")])
    manager = bootstrap.connection_manager(filters=filters, prefix="inbound", forward_client_cert_details="SANITIZE_SET",
                                           set_current_client_cert_details={"uri": True}, **options.get("inbound", {}))
    behind = run_sidecar([bootstrap.listener(inner, manager, tls=bootstrap.downstream_tls(server))],
                         [bootstrap.cluster(ports=[origin_port], http2=options.get("origin_http2", False))])
    front = run_sidecar(
        [bootstrap.listener(outer, bootstrap.connection_manager(prefix="outbound"))],
        [bootstrap.cluster(ports=[inner], http2=http2, tls=bootstrap.upstream_tls(
            client, alpn=("h2",) if http2 else ("http/1.1",), sans=options.get("sans", ({"exact": SERVER},))))])
    return outer, front, behind


@pytest.mark.parametrize("http2", [False, True])
def test_two_hops(run_sidecar, authority, origin, http2):
    port, _, _ = two_hops(run_sidecar, authority, origin.port, http2=http2)
    with raw.Raw(port) as client:
        for number in range(20):
            client.send(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" % number)
            assert client.response().status == 200
    assert len(origin.requests) == 20 and all(r.body == b"hello" for r in origin.requests)
    assert all("URI=" + pki.spiffe("client") in r.header("x-forwarded-client-cert")[0] for r in origin.requests)


@pytest.mark.parametrize("size", [0, 1, 16384, 100000, 20 << 20])
def test_bodies_over_two_hops(run_sidecar, authority, make_origin, size):
    from origin import reply
    origin = make_origin(lambda request, sock: reply(request.body))
    port, front, behind = two_hops(run_sidecar, authority, origin.port)
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    assert raw.get(port, method="POST", body=body).body == body
    assert max(front.peak_memory_mib(), behind.peak_memory_mib()) < 60


def test_the_first_sidecar_wants_the_right_server(run_sidecar, authority, origin):
    port, _, _ = two_hops(run_sidecar, authority, origin.port, sans=({"exact": pki.spiffe("somebody-else")},))
    assert raw.get(port).status == 503
    assert origin.paths() == []


def test_authorization_by_identity(run_sidecar, authority, origin):
    policy = {"p": {"permissions": [{"url_path": {"path": {"prefix": "/open"}}}],
                    "principals": [{"authenticated": {"principal_name": {"exact": pki.spiffe("client")}}}]}}
    filters = (bootstrap.rbac(policy),)
    port, _, _ = two_hops(run_sidecar, authority, origin.port, filters=filters)
    assert raw.get(port, "/open/x").status == 200
    assert raw.get(port, "/closed").status == 403
    assert raw.get(port, "/open/../closed").status == 403
    assert raw.get(port, "//closed").status == 403
    other, _, _ = two_hops(run_sidecar, authority, origin.port, filters=filters, client=authority.issue("mallory", [pki.spiffe("mallory")]))
    assert raw.get(other, "/open/x").status == 403
    assert origin.paths() == ["/open/x"]
