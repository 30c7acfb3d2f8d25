"""HTTP/1.1 through one sidecar: what must pass, passes unchanged."""
import hashlib
import socket
import threading

import bootstrap
import processes
import pytest
import raw
from origin import reply


def test_get_and_post(proxy):
    assert raw.get(proxy.port, "/a?b=c").status == 200
    proxy.origin.answer = lambda request, sock: reply(b"got " + request.body)
    assert raw.get(proxy.port, "/p", method="POST", body=b"hello").body == b"got hello"
    assert proxy.origin.paths() == ["/a?b=c", "/p"] and not proxy.origin.malformed


def test_requests_share_connections(proxy):
    with raw.Raw(proxy.port) as client:
        for number in range(50):
            client.send(b"GET /%d HTTP/1.1\r\nHost: test.local\r\n\r\n" % number)
            assert client.response().status == 200
    assert len(proxy.origin.paths()) == 50
    assert proxy.origin.connections == 1


def test_connection_close_is_kept_to_the_hop(proxy):
    with raw.Raw(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test.local\r\nConnection: close\r\n\r\n")
        response = client.response()
        assert response.status == 200 and [v.lower() for v in response.header("connection")] == ["close"]
        assert client.closed()
    assert raw.get(proxy.port).status == 200
    assert proxy.origin.connections == 1
    assert not any("close" in v for r in proxy.origin.requests for v in r.header("connection"))


def test_header_fields_named_by_connection_are_dropped(proxy):
    raw.get(proxy.port, headers=[("Connection", "X-Hop, keep-alive"), ("X-Hop", "1"), ("X-End", "2"), ("Keep-Alive", "timeout=5")])
    request = proxy.origin.requests[0]
    assert request.header("x-end") == ["2"] and not request.header("x-hop") and not request.header("keep-alive")


def test_header_case_and_order_are_kept(proxy):
    proxy.origin.answer = lambda request, sock: reply(headers=[b"X-MiXed-CASE: Yes", b"Set-Cookie: a=1", b"Set-Cookie: b=2"])
    response = raw.get(proxy.port, headers=[("X-My-HEADER", "Value"), ("x-lower", "v"), ("Cookie", "a=b")])
    sent = [n for n, _ in proxy.origin.requests[0].headers]
    assert b"X-My-HEADER" in sent and b"x-lower" in sent and sent.index(b"X-My-HEADER") < sent.index(b"x-lower")
    assert b"X-MiXed-CASE" in [n for n, _ in response.headers]
    assert response.header("set-cookie") == ["a=1", "b=2"]


def test_chunked_both_ways_with_trailers(make_proxy, origin):
    proxy = make_proxy(origin, http_protocol_options={"enable_trailers": True}, cluster={"trailers": True})

    def answer(request, sock):
        assert request.header("transfer-encoding") == ["chunked"]
        return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n")
    proxy.origin.answer = answer
    with raw.Raw(proxy.port) as client:
        client.send(b"POST /c HTTP/1.1\r\nHost: test.local\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-Up: 7\r\n\r\n")
        response = client.response()
        client.send(b"GET /next HTTP/1.1\r\nHost: test.local\r\n\r\n")
        proxy.origin.answer = lambda request, sock: reply()
        assert client.response().status == 200
    assert response.body == b"hello world" and [(n.lower(), v) for n, v in response.trailers] == [(b"x-sum", b"42")]
    assert [(n.lower(), v) for n, v in proxy.origin.requests[0].trailers] == [(b"x-up", b"7")]
    assert proxy.origin.requests[0].body == b"abcdefg" and not proxy.origin.malformed


def test_head_204_and_304_have_no_body(proxy):
    def answer(request, sock):
        if request.method == "HEAD":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        return b"HTTP/1.1 %s\r\nX-A: b\r\n\r\n" % (b"204 No Content" if request.path == "/204" else b"304 Not Modified")
    proxy.origin.answer = answer
    with raw.Raw(proxy.port) as client:
        for number in range(3):
            client.send(b"HEAD /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            assert client.response(head=True).header("content-length") == ["1000"]
        for status in (204, 304):
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % status)
            assert client.response().status == status


def test_a_response_that_ends_with_its_connection(proxy):
    def answer(request, sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"z" * 100000)
        sock.shutdown(socket.SHUT_WR)
        raise ConnectionError
    proxy.origin.answer = answer
    assert raw.get(proxy.port).body == b"z" * 100000


def test_http10_client(proxy):
    proxy.origin.answer = lambda request, sock: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    with raw.Raw(proxy.port) as client:
        client.send(b"GET / HTTP/1.0\r\nHost: test.local\r\n\r\n")
        # Whether 1.0 is served or refused with 426 is the configuration's choice; chunks must not reach it.
        first = client.stream.line()
        assert first.startswith(b"HTTP/1.1 "), first
        assert first[9:12] in (b"426", b"200")
        client.closed()


def test_unknown_authority_is_not_found(run_sidecar, origin):
    port = processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1", virtual_hosts=[
        {"name": "known", "domains": ["known.local", "known.local:*"], "routes": [bootstrap.route()]}]))],
                [bootstrap.cluster(ports=[origin.port])])
    assert raw.get(port, host="known.local").status == 200
    assert raw.get(port, host="known.local:8080").status == 200
    assert raw.get(port, host="other.local").status == 404
    assert len(origin.requests) == 2


def test_weights_and_matches(run_sidecar, make_origin):
    one, two = make_origin(), make_origin()
    port = processes.free_port()
    routes = [
        bootstrap.route("two", {"path": "/exact"}),
        bootstrap.route("two", {"path_separated_prefix": "/part"}),
        bootstrap.route("two", {"safe_regex": {"regex": "/r[0-9]+"}}),
        bootstrap.route("two", {"prefix": "/", "headers": [{"name": "x-to", "string_match": {"exact": "two"}}]}),
        bootstrap.route("one")]
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(routes, codec="HTTP1"))],
                [bootstrap.cluster("one", [one.port]), bootstrap.cluster("two", [two.port])])
    for path in ("/exact", "/part", "/part/x", "/r123"):
        assert raw.get(port, path).status == 200
    assert raw.get(port, "/h", headers=[("X-To", "two")]).status == 200
    for path in ("/exact/x", "/partial", "/r", "/h"):
        assert raw.get(port, path).status == 200
    assert two.paths() == ["/exact", "/part", "/part/x", "/r123", "/h"]
    assert one.paths() == ["/exact/x", "/partial", "/r", "/h"]


def test_weighted_clusters(run_sidecar, make_origin):
    one, two = make_origin(), make_origin()
    port = processes.free_port()
    weighted = {"match": {"prefix": "/"}, "route": {"timeout": "0s", "weighted_clusters": {"clusters": [
        {"name": "one", "weight": 90}, {"name": "two", "weight": 10}]}}}
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager([weighted], codec="HTTP1"))],
                [bootstrap.cluster("one", [one.port]), bootstrap.cluster("two", [two.port])])
    with raw.Raw(port) as client:
        for _ in range(1000):
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().status == 200
    # 1000 draws at 10 %: 60 to 140 is more than four standard deviations on either side.
    assert 60 <= len(two.requests) <= 140, len(two.requests)


def test_header_changes_of_a_route(run_sidecar, origin):
    port = processes.free_port()
    changed = {**bootstrap.route(), "request_headers_to_add": [
        {"header": {"key": "x-added", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        "request_headers_to_remove": ["x-gone"],
        "response_headers_to_add": [{"header": {"key": "x-back", "value": "2"}}]}
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager([changed], codec="HTTP1"))],
                [bootstrap.cluster(ports=[origin.port])])
    response = raw.get(port, headers=[("X-Added", "client"), ("X-Gone", "1")])
    assert origin.requests[0].header("x-added") == ["1"] and not origin.requests[0].header("x-gone")
    assert response.header("x-back") == ["2"]


def test_request_timeout_is_504(run_sidecar, make_origin):
    release = threading.Event()
    slow = make_origin(lambda request, sock: release.wait(20) and None)
    port = processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager([bootstrap.route(timeout="0.2s")], codec="HTTP1"))],
                [bootstrap.cluster(ports=[slow.port])])
    assert raw.get(port).status == 504
    release.set()


def test_round_robin_and_connect_failures(run_sidecar, make_origin):
    origins = [make_origin() for _ in range(2)]
    port = processes.free_port()
    dead = processes.free_port()
    policy = {"retry_on": "connect-failure", "num_retries": 3}
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager([bootstrap.route(retry_policy=policy)], codec="HTTP1"))],
                [bootstrap.cluster(ports=[origins[0].port, dead, origins[1].port])])
    with raw.Raw(port) as client:
        for _ in range(30):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            assert client.response().status == 200
    assert all(len(o.requests) >= 10 for o in origins)
    assert all(r.body == b"abc" for o in origins for r in o.requests)


def test_nobody_listens_is_503(run_sidecar):
    port = processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1"))],
                [bootstrap.cluster(ports=[processes.free_port()])])
    assert raw.get(port).status == 503


def upload(port, size, chunked=False):
    """Sends `size` bytes; returns (response, sha256 of what was sent)."""
    block = bytes(range(256)) * 1024
    digest = hashlib.sha256()
    with raw.Raw(port) as client:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        client.send(b"POST /up HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % framing)
        left = size
        while left:
            part = block[:min(left, len(block))]
            left -= len(part)
            digest.update(part)
            client.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        if chunked:
            client.send(b"0\r\n\r\n")
        client.sock.settimeout(60)
        return client.response(), digest.hexdigest()


def test_a_hundred_megabytes_each_way_in_bounded_memory(make_proxy, make_origin):
    size = 100 << 20
    block = bytes(range(256)) * 1024

    def answer(request, sock):
        if request.method == "POST":
            return reply(str(request.body_size).encode())
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(block)):
            sock.sendall(block)
        return None

    origin = make_origin(answer, keep_bodies=False)
    proxy = make_proxy(origin)
    before = proxy.sidecar.memory_mib()
    for chunked in (False, True):
        response, _ = upload(proxy.port, size, chunked)
        assert response.status == 200 and response.body == str(size).encode()
    with raw.Raw(proxy.port) as client:
        client.sock.settimeout(60)
        client.send(b"GET /down HTTP/1.1\r\nHost: a\r\n\r\n")
        digest = hashlib.sha256()
        body = client.response().body
        digest.update(body)
    assert len(body) == size and digest.digest() == hashlib.sha256(block * (size // len(block))).digest()
    assert proxy.sidecar.peak_memory_mib() < before + 30, (before, proxy.sidecar.peak_memory_mib())


def test_fault_21_a_slow_reader_does_not_fill_the_memory(make_proxy, make_origin):
    size = 64 << 20
    block = b"y" * (1 << 20)
    sent = []

    def answer(request, sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(block)):
            sock.sendall(block)
            sent.append(1)
        return None

    proxy = make_proxy(make_origin(answer))
    before = proxy.sidecar.memory_mib()
    with raw.Raw(proxy.port) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        # It comes to a halt: no more goes out for a while, and not all of it.
        processes.wait_until(_still(lambda: len(sent)), "the origin never stopped sending")
        assert len(sent) < size // len(block)
        assert proxy.sidecar.memory_mib() < before + 12
        # The other clients are served meanwhile.
        proxy.origin.answer = lambda request, sock: reply()
        assert raw.get(proxy.port).status == 200


def _still(value, polls=50):
    """A condition that holds once `value()` has not changed for `polls` polls."""
    state = {"last": None, "same": 0}

    def condition():
        now = value()
        state["same"] = state["same"] + 1 if now == state["last"] else 0
        state["last"] = now
        return state["same"] >= polls
    return condition


def test_a_real_nginx_behind(run_sidecar, run_child, tmp_path):
    nginx = processes.program("nginx")
    if not nginx:
        pytest.skip("nginx is not installed: scripts/install-packages")
    back, port = processes.free_port(), processes.free_port()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(b"0123456789" * 10000)
    conf = tmp_path / "nginx.conf"
    temps = " ".join("%s_temp_path %s/t;" % (kind, tmp_path) for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf.write_text("daemon off; master_process off; pid %s/pid; error_log %s/error.log; events {} http { access_log off; %s "
                    "server { listen 127.0.0.1:%d; root %s/www; } }" % (tmp_path, tmp_path, temps, back, tmp_path))
    run_child([nginx, "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(conf)], back)
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1"))], [bootstrap.cluster(ports=[back])])
    with raw.Raw(port) as client:
        for _ in range(20):
            client.send(b"GET /file HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().body == b"0123456789" * 10000
            assert client.response().status == 404
        client.send(b"GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=5-9\r\n\r\n")
        response = client.response()
        assert response.status == 206 and response.body == b"56789"
