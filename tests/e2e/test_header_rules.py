"""Rules of a configuration on headers and connections that strangers send."""
import socket

import bootstrap
import processes
import pytest
import raw
from h2raw import H2, request


def test_a_header_with_an_underscore_refuses_the_request(make_proxy, origin):
    proxy = make_proxy(origin, common_http_protocol_options={"headers_with_underscores_action": "REJECT_REQUEST"})
    assert raw.get(proxy.port, headers=[("x_admin", "1")]).status == 400
    assert raw.get(proxy.port, headers=[("x-admin", "1_1")]).status == 200
    assert len(origin.requests) == 1


@pytest.mark.parametrize("codec", ["HTTP1", "HTTP2"])
def test_a_header_with_an_underscore_is_dropped(make_proxy, origin, codec):
    proxy = make_proxy(origin, codec=codec, common_http_protocol_options={"headers_with_underscores_action": "DROP_HEADER"})
    extra = [("x_admin", "1"), ("x-kept", "1"), ("y_y", "2"), ("x_admin", "3")]
    if codec == "HTTP1":
        assert raw.get(proxy.port, headers=extra).status == 200
    else:
        with H2(proxy.port) as client:
            assert client.status(client.open(request(extra=extra))) == 200
    assert origin.requests[0].header("x-kept") == ["1"]
    assert not [name for name, _ in origin.requests[0].headers if b"_" in name]


def test_underscores_pass_by_default(make_proxy, origin):
    assert raw.get(make_proxy(origin).port, headers=[("x_admin", "1")]).status == 200
    assert origin.requests[0].header("x_admin") == ["1"]


def test_a_trailer_with_an_underscore(make_proxy, make_origin):
    sent = (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x_sum, x-sum\r\n\r\n"
            b"2\r\nab\r\n0\r\nx_sum: 1\r\nx-sum: 2\r\n\r\n")
    for action, status in ("DROP_HEADER", 200), ("REJECT_REQUEST", 400):
        origin = make_origin()
        proxy = make_proxy(origin, cluster={"trailers": True}, common_http_protocol_options={"headers_with_underscores_action": action})
        with raw.Raw(proxy.port) as client:
            client.send(sent)
            assert client.response().status == status
        assert all(b"_" not in name for r in origin.requests for name, _ in r.trailers)


@pytest.mark.parametrize("direction,passes", [("INBOUND", False), ("UNSPECIFIED", False), ("OUTBOUND", True)])
def test_internal_headers_come_from_our_own_workload_only(make_proxy, origin, direction, passes):
    hosts = [{"name": "all", "domains": ["*"], "routes": [bootstrap.route()]}]
    proxy = make_proxy(origin, listener={"traffic_direction": direction},
                       route_config={"name": "local", "validate_clusters": False, "virtual_hosts": hosts, "internal_only_headers": ["X-Internal-User"]})
    assert raw.get(proxy.port, headers=[("x-internal-user", "root"), ("x-other", "1")]).status == 200
    assert bool(origin.requests[0].header("x-internal-user")) == passes
    assert origin.requests[0].header("x-other") == ["1"]


@pytest.mark.parametrize("code,status", [(None, 503), ("NOT_FOUND", 404), ("INTERNAL_SERVER_ERROR", 500)])
def test_the_status_of_a_missing_cluster(make_proxy, origin, code, status):
    options = {"cluster_not_found_response_code": code} if code else {}
    proxy = make_proxy(origin, routes=[bootstrap.route("nowhere", **options)])
    assert raw.get(proxy.port).status == status


def path_rule(path):
    return bootstrap.rbac({"one": {"permissions": [{"url_path": {"path": {"prefix": path}}}], "principals": [{"any": True}]}}, action="DENY")


def test_escaped_slashes_pass_unless_a_rule_asks_for_paths(make_proxy, make_origin):
    """What an application may decode after us must not lead past a rule."""
    free = make_proxy(make_origin())
    assert raw.get(free.port, "/a%2Fadmin").status == 200
    assert free.origin.paths() == ["/a%2Fadmin"]
    ruled = make_proxy(make_origin(), filters=[path_rule("/admin")])
    for path in "/%2Fadmin", "/a%2f..%2fadmin", "/a%5Cadmin":
        assert raw.get(ruled.port, path).status == 400, path
    assert raw.get(ruled.port, "/admin").status == 403
    assert raw.get(ruled.port, "/a").status == 200
    assert ruled.origin.paths() == ["/a"]


def connected(port):
    """Whether a new connection is served; else it was closed as it came."""
    try:
        return raw.get(port).status == 200
    except (EOFError, ConnectionError):
        return False


@pytest.mark.parametrize("workers", ["1", "2"])
def test_all_connections_together_are_limited(run_sidecar, origin, workers):
    limit = {"resource_monitors": [{"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": 3}}]}
    http, tcp = processes.free_port(), processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(http, bootstrap.connection_manager()), bootstrap.listener(tcp, bootstrap.tcp_proxy())],
                          [bootstrap.cluster(ports=[origin.port])], "--workers", workers, overload_manager=limit)
    held = [raw.Raw(http), raw.Raw(http), raw.Raw(tcp)]
    for one in held:
        one.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert one.response().status == 200
    assert not connected(http) and not connected(tcp)
    refused = [value for (name, _), value in sidecar.metrics().items() if name == "tulle_downstream_connections_refused_total"]
    assert sum(refused) == 2
    held.pop().close()
    processes.wait_until(lambda: connected(http), "a place that became free is not given again")
    for one in held:
        one.close()


def test_a_silent_client_is_taken_as_plaintext_if_so_configured(run_sidecar, make_origin):
    """A protocol in which the server speaks first, behind a listener that looks for TLS."""
    greeting = socket.create_server(("127.0.0.1", 0))
    inspect = {"listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.filters.listener.tls_inspector.v3.TlsInspector"}}], "listener_filters_timeout": "0.2s"}
    patient, strict = processes.free_port(), processes.free_port()
    run_sidecar([bootstrap.listener(patient, bootstrap.tcp_proxy(), continue_on_listener_filters_timeout=True, **inspect),
                 bootstrap.listener(strict, bootstrap.tcp_proxy(), **inspect)],
                [bootstrap.cluster(ports=[greeting.getsockname()[1]])])
    with raw.Raw(strict) as client:
        with pytest.raises((EOFError, ConnectionError)):
            client.stream.fill()
    ahead, _ = greeting.accept()  # dialled while the client was silent, and closed without a byte
    assert ahead.recv(1) == b""
    ahead.close()
    with raw.Raw(patient) as client:
        server, _ = greeting.accept()
        server.sendall(b"220 ready\r\n")
        assert client.stream.line() == b"220 ready"
        server.close()
    greeting.close()
