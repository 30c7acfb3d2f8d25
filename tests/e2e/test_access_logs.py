"""Access logs in a file, as Envoy's configuration asks for them: what they say of TLS and of connections, and which requests they leave out."""
import json

import bootstrap
import pki
import processes
import pytest
import raw
from cryptography import x509
from origin import reply
from test_mtls import tls

LOGGER = bootstrap.TYPE + "extensions.access_loggers.file.v3.FileAccessLog"


def log_to(path, fields, **more):
    return [{"name": "log", "typed_config": {"@type": LOGGER, "path": str(path), "log_format": {"json_format": fields}}, **more}]


def lines(path, count):
    def read():
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    processes.wait_until(lambda: len(read()) >= count, "%d lines of the log" % count)
    return [json.loads(line) for line in read()]


def utc(certificate, name):
    at = getattr(certificate, name + "_utc", None) or getattr(certificate, name)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_both_sides_of_a_call_tell_of_tls_and_of_the_peer(run_sidecar, origin, authority, tmp_path):
    inbound, outbound = processes.free_port(), processes.free_port()
    server = authority.issue("server", [pki.spiffe("server")], dns=["server.test"])
    caller = authority.issue("caller", [pki.spiffe("caller")])
    fields = {name: "%" + name + "%" for name in (
        "DOWNSTREAM_TLS_VERSION", "DOWNSTREAM_TLS_CIPHER", "DOWNSTREAM_PEER_ISSUER", "DOWNSTREAM_PEER_SERIAL", "DOWNSTREAM_PEER_CERT_V_START",
        "DOWNSTREAM_PEER_CERT_V_END", "DOWNSTREAM_LOCAL_URI_SAN", "CONNECTION_ID", "UPSTREAM_PROTOCOL")}
    manager = bootstrap.connection_manager(access_log=log_to(tmp_path / "inbound.log", fields))
    run_sidecar([bootstrap.listener(inbound, manager, tls=bootstrap.downstream_tls(server), traffic_direction="INBOUND")],
                [bootstrap.cluster(ports=[origin.port])])
    fields = {name: "%" + name + "%" for name in (
        "UPSTREAM_TLS_VERSION", "UPSTREAM_TLS_CIPHER", "UPSTREAM_PEER_URI_SAN", "UPSTREAM_PROTOCOL", "DOWNSTREAM_TLS_VERSION", "STREAM_ID",
        "DYNAMIC_METADATA(a)", "ACCESS_LOG_TYPE")}
    manager = bootstrap.connection_manager(access_log=log_to(tmp_path / "outbound.log", fields))
    run_sidecar([bootstrap.listener(outbound, manager)],
                [bootstrap.cluster(ports=[inbound], http2=True, tls=bootstrap.upstream_tls(caller, alpn=("h2",)))])
    assert raw.get(outbound, headers=[("x-request-id", "id-1")]).status == 200
    with raw.Raw(0, sock=tls(inbound, caller)) as client:  # by HTTP/1.1, on one connection
        for _ in range(2):
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().status == 200

    with open(caller.chain_path, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    seen = lines(tmp_path / "inbound.log", 3)
    for line in seen:
        assert line["DOWNSTREAM_TLS_VERSION"] == "TLSv1.3" and "AES" in line["DOWNSTREAM_TLS_CIPHER"] or "CHACHA" in line["DOWNSTREAM_TLS_CIPHER"]
        assert line["DOWNSTREAM_PEER_ISSUER"] == certificate.issuer.rfc4514_string()
        assert int(line["DOWNSTREAM_PEER_SERIAL"], 16) == certificate.serial_number
        assert line["DOWNSTREAM_PEER_CERT_V_START"] == utc(certificate, "not_valid_before")
        assert line["DOWNSTREAM_PEER_CERT_V_END"] == utc(certificate, "not_valid_after")
        assert line["DOWNSTREAM_LOCAL_URI_SAN"] == pki.spiffe("server")
        assert line["UPSTREAM_PROTOCOL"] == "HTTP/1.1"
    connections = [line["CONNECTION_ID"] for line in seen]
    assert connections[0] != connections[1] == connections[2] and all(isinstance(each, int) for each in connections)
    [line] = lines(tmp_path / "outbound.log", 1)
    assert line == {"UPSTREAM_TLS_VERSION": "TLSv1.3", "UPSTREAM_TLS_CIPHER": seen[0]["DOWNSTREAM_TLS_CIPHER"], "UPSTREAM_PEER_URI_SAN": pki.spiffe("server"),
                    "UPSTREAM_PROTOCOL": "HTTP/2", "DOWNSTREAM_TLS_VERSION": None, "STREAM_ID": "id-1", "DYNAMIC_METADATA(a)": None,
                    "ACCESS_LOG_TYPE": "DownstreamEnd"}


@pytest.mark.parametrize("wanted,found", [
    ({"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 404, "runtime_key": "none"}}}}, [404, 503]),
    ({"or_filter": {"filters": [{"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": 200, "runtime_key": "none"}}}},
                                {"header_filter": {"header": {"name": "x-debug", "present_match": True}}}]}}, [200, 404]),
    ({"and_filter": {"filters": [{"not_health_check_filter": {}}, {"response_flag_filter": {"flags": ["FI"]}}]}}, []),
    ({"duration_filter": {"comparison": {"op": "GE", "value": {"default_value": 0, "runtime_key": "none"}}}}, [200, 404, 503]),
])
def test_a_filter_leaves_out_the_rest(make_proxy, make_origin, tmp_path, wanted, found):
    origin = make_origin(lambda request, sock: reply(b"", {"/": "200 OK", "/missing": "404 Not Found"}.get(request.path, "503 Service Unavailable")))
    path = tmp_path / "access.log"
    last = log_to(tmp_path / "all.log", {"code": "%RESPONSE_CODE%"})
    proxy = make_proxy(origin, access_log=log_to(path, {"code": "%RESPONSE_CODE%"}, filter=wanted) + last)
    for target, headers in (("/", ()), ("/missing", [("x-debug", "1")]), ("/broken", ())):
        raw.get(proxy.port, target, headers=headers)
    assert [line["code"] for line in lines(tmp_path / "all.log", 3)] == [200, 404, 503]
    assert [line["code"] for line in lines(path, len(found))] == found
