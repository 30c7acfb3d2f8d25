"""The times that a request has, and what is said when they are over. The figures are small so that the tests are quick; nothing is
measured: without the timeout under test every one of these would wait for the client's own 10 s and fail."""
import threading
import time

import bootstrap
import pytest
import raw
from h2raw import H2, request
from origin import reply

GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


@pytest.fixture
def silent(make_origin):
    """An origin that answers /now at once, begins an answer for /begun and is silent on all else until the test is over."""
    over = threading.Event()

    def answer(request, sock):
        if request.path == "/begun":
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
        if request.path != "/now":
            over.wait(20)
            raise EOFError
        return reply()

    yield make_origin(answer)
    over.set()


def grpc_status(proxy, headers):
    with H2(proxy.port) as client:
        stream = client.open(request("POST", "/a.B/C", extra=GRPC + headers))
        assert client.status(stream) == 200
        return dict(client.headers[stream]).get("grpc-status")


def asked(proxy, path="/"):
    """Status and body; 'cut' if the connection ended before the response did."""
    with raw.Raw(proxy.port) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
        try:
            got = client.response()
        except (EOFError, ConnectionError):
            return "cut"
        return got.status, got.body.decode()


@pytest.mark.parametrize("options,body", [
    ({"routes": [bootstrap.route(timeout="0.2s")]}, "upstream request timeout"),
    ({"routes": [bootstrap.route(idle_timeout="0.2s")]}, "stream timeout"),
    ({"stream_idle_timeout": "0.2s"}, "stream timeout"),
    ({"routes": [bootstrap.route(max_stream_duration={"max_stream_duration": "0.2s"})]}, "downstream duration timeout"),
    ({"common_http_protocol_options": {"max_stream_duration": "0.2s"}}, "downstream duration timeout"),
    ({"routes": [bootstrap.route(retry_policy={"retry_on": "reset", "num_retries": 1, "per_try_idle_timeout": "0.2s"})]}, "upstream request timeout"),
    ({"routes": [bootstrap.route(retry_policy={"retry_on": "reset", "num_retries": 1, "per_try_timeout": "0.2s"})]}, "upstream request timeout"),
], ids=["route", "route idle", "listener idle", "route duration", "listener duration", "per try idle", "per try"])
def test_an_upstream_that_is_silent(make_proxy, silent, options, body):
    proxy = make_proxy(silent, **options)
    assert asked(proxy) == (504, body)
    assert asked(proxy, "/now")[0] == 200
    # Half an answer must not look whole.
    if "per_try_timeout" not in str(options):
        assert asked(proxy, "/begun") == "cut"


def test_a_route_says_another_time_than_its_listener(make_proxy, silent):
    proxy = make_proxy(silent, stream_idle_timeout="0.1s", common_http_protocol_options={"max_stream_duration": "0.1s"},
                       routes=[bootstrap.route(match={"path": "/patient"}, idle_timeout="0s", max_stream_duration={"max_stream_duration": "0s"}, timeout="1s"),
                               bootstrap.route()])
    assert asked(proxy, "/patient") == (504, "upstream request timeout")
    assert asked(proxy) in [(504, "stream timeout"), (504, "downstream duration timeout")]


@pytest.mark.parametrize("policy", [{"retry_on": "5xx", "per_try_idle_timeout": "0.2s"}, {"retry_on": "reset", "per_try_timeout": "0.2s"}])
def test_an_attempt_without_a_sound_is_made_again(make_proxy, make_origin, policy):
    over = threading.Event()

    def answer(request, sock):
        if len(proxy.origin.requests) == 1:
            over.wait(20)
            raise EOFError
        return reply(b"second")
    origin = make_origin(answer)
    proxy = make_proxy(origin, routes=[bootstrap.route(retry_policy={"num_retries": 1, **policy})])
    assert asked(proxy) == (200, "second")
    over.set()


@pytest.mark.parametrize("options,body", [
    ({"request_timeout": "0.2s"}, b"request timeout"),
    ({"stream_idle_timeout": "0.2s"}, b"stream timeout"),
    ({"common_http_protocol_options": {"max_stream_duration": "0.2s"}}, b"downstream duration timeout"),
], ids=["request", "idle", "duration"])
def test_a_request_that_does_not_come_to_its_end(make_proxy, silent, options, body):
    """The caller was slow, not we: 408."""
    proxy = make_proxy(silent, **options)
    with raw.Raw(proxy.port) as client:
        client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        got = client.response()
    assert (got.status, got.body) == (408, body)


def test_the_receive_timeout_ends_with_the_request(make_proxy, make_origin):
    over = threading.Event()
    origin = make_origin(lambda request, sock: over.wait(0.5) or reply())
    proxy = make_proxy(origin, request_timeout="0.2s")
    assert raw.get(proxy.port, method="POST", body=b"all of it").status == 200


def duration(**options):
    return bootstrap.route(max_stream_duration=options)


@pytest.mark.parametrize("route,timeout", [
    (duration(grpc_timeout_header_max="0s"), "200m"),
    (duration(grpc_timeout_header_max="0.2s"), "30S"),
    (duration(grpc_timeout_header_max="0s", grpc_timeout_header_offset="29.8s"), "30S"),
], ids=["header", "header above the maximum", "offset"])
def test_a_grpc_deadline(make_proxy, silent, route, timeout):
    proxy = make_proxy(silent, codec="HTTP2", routes=[route])
    assert grpc_status(proxy, [("grpc-timeout", timeout)]) == "4"


def test_a_grpc_deadline_is_not_heeded_unless_asked_for(make_proxy, silent):
    proxy = make_proxy(silent, codec="HTTP2", routes=[bootstrap.route(timeout="0.4s")])
    assert grpc_status(proxy, [("grpc-timeout", "50m")]) == "14"


def test_an_idle_http2_connection_is_told_to_go(make_proxy, origin):
    proxy = make_proxy(origin, codec="HTTP2", common_http_protocol_options={"idle_timeout": "0.3s"})
    with H2(proxy.port) as client:
        assert client.status(client.open(request())) == 200
        assert client.drained()
        assert client.goaway == 0


@pytest.mark.parametrize("codec", ["HTTP1", "HTTP2"])
def test_connections_end_after_their_requests(make_proxy, origin, codec):
    proxy = make_proxy(origin, codec=codec, common_http_protocol_options={"max_requests_per_connection": 2})
    if codec == "HTTP1":
        with raw.Raw(proxy.port) as client:
            client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().header("connection") == []
            client.send(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().header("connection") == ["close"]
            with pytest.raises((EOFError, ConnectionError)):
                client.response()
    else:
        with H2(proxy.port) as client:
            for _ in range(2):
                assert client.status(client.open(request())) == 200
            assert client.drained()
            assert client.goaway == 0


def test_the_time_left_is_told_upstream(make_proxy, make_origin):
    answers = iter(["503 Service Unavailable", "200 OK"])
    origin = make_origin(lambda request, sock: reply(b"", next(answers)))
    proxy = make_proxy(origin, routes=[bootstrap.route(timeout="5s", retry_policy={
        "retry_on": "5xx", "num_retries": 1, "retry_back_off": {"base_interval": "0.3s", "max_interval": "0.3s"}})])
    assert raw.get(proxy.port).status == 200
    first, second = (int(r.header("x-envoy-expected-rq-timeout-ms")[0]) for r in origin.requests)
    assert 4000 < second <= first <= 5000


def test_without_a_timeout_nothing_is_told(make_proxy, origin):
    assert raw.get(make_proxy(origin).port).status == 200
    assert origin.requests[0].header("x-envoy-expected-rq-timeout-ms") == []


@pytest.mark.parametrize("codec", ["HTTP1", "HTTP2"])
def test_old_connections_end(make_proxy, origin, codec):
    proxy = make_proxy(origin, codec=codec, common_http_protocol_options={"max_connection_duration": "0.4s"})
    if codec == "HTTP1":
        with raw.Raw(proxy.port) as client:
            client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().status == 200
            with pytest.raises((EOFError, ConnectionError)):
                client.response()
    else:
        with H2(proxy.port) as client:
            assert client.status(client.open(request())) == 200
            assert client.drained() and client.goaway == 0


def test_old_connections_to_an_upstream_are_not_used(make_proxy, origin):

    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": bootstrap.TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"max_connection_duration": "0.5s"}}}}
    proxy = make_proxy(origin, cluster=options, one_worker=True)
    for _ in range(3):
        assert raw.get(proxy.port).status == 200
    assert origin.connections == 1
    time.sleep(0.6)
    assert raw.get(proxy.port).status == 200
    assert origin.connections == 2


@pytest.mark.parametrize("sent", [b"P", b"POST / HTTP/1.1\r\nHost: a\r\nX: "], ids=["a byte", "half a head"])
def test_the_receive_timeout_ends_a_head_too(make_proxy, silent, sent):
    proxy = make_proxy(silent, request_timeout="0.2s")
    with raw.Raw(proxy.port) as client:
        client.send(sent)
        assert client.response().status == 408
        with pytest.raises((EOFError, ConnectionError)):
            client.response()
    assert asked(proxy, "/now")[0] == 200


def test_an_http2_head_that_does_not_end(make_proxy, silent):
    proxy = make_proxy(silent, codec="HTTP2", request_headers_timeout="0.3s")
    with H2(proxy.port) as client:
        frame = client.headers_frame(request(), flags=())
        client.send(frame)
        client.until(lambda: client.resets or client.goaway is not None)


def test_an_http2_request_that_is_announced_as_empty_and_does_not_end(make_proxy, silent):
    proxy = make_proxy(silent, codec="HTTP2", stream_idle_timeout="0.3s")
    with H2(proxy.port) as client:
        stream = client.open(request("POST", extra=[("content-length", "0")]), end=False)
        assert client.status(stream) == 408


@pytest.mark.parametrize("timeout", ["99999999H", "0n", "99999999n", "00000000S"])
def test_a_strange_grpc_deadline_harms_nobody(make_proxy, silent, timeout):
    proxy = make_proxy(silent, codec="HTTP2", routes=[bootstrap.route(timeout="0.4s", max_stream_duration={"grpc_timeout_header_max": "0s"})])
    assert grpc_status(proxy, [("grpc-timeout", timeout)]) in ("4", "14")
    assert grpc_status(proxy, [("grpc-timeout", "200m")]) == "4"


def test_no_time_is_no_limit(make_proxy, origin):
    """0 means none: a head that comes in two pieces is waited for."""
    proxy = make_proxy(origin, request_headers_timeout="0s")
    with raw.Raw(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHo")
        time.sleep(0.3)
        client.send(b"st: a\r\n\r\n")
        assert client.response().status == 200
