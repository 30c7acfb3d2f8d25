"""What a bad origin may do to its clients: little."""
import processes
import pytest
import raw
from origin import Malformed, reply


def asked(proxy, path="/"):
    """The status, or 'cut' if the response ended in the middle, or 0 if there was none."""
    with raw.Raw(proxy.port) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
        try:
            return client.response().status
        except (EOFError, ConnectionError):
            return "cut" if client.stream.got else 0


def closes(request, sock):
    raise EOFError


def resets(request, sock):
    raise ConnectionAbortedError


@pytest.mark.parametrize("answer", [closes, resets])
def test_fault_49_closed_before_the_headers(make_proxy, make_origin, answer):
    proxy = make_proxy(make_origin(answer))
    assert asked(proxy) == 503
    # A POST may have been acted upon: it is not sent again.
    assert raw.get(proxy.port, "/post", method="POST", body=b"x").status == 503
    assert proxy.origin.paths().count("/post") == 1
    proxy.origin.answer = lambda request, sock: reply()
    assert asked(proxy) == 200


def test_fault_49_half_a_status_line(make_proxy, make_origin):
    def answer(request, sock):
        sock.sendall(b"HTTP/1.1 200 O")
        raise EOFError
    assert asked(make_proxy(make_origin(answer))) in (502, 503)


@pytest.mark.parametrize("head,body", [
    (b"Content-Length: 100\r\n", b"x" * 50),
    (b"Transfer-Encoding: chunked\r\n", b"a\r\n0123456789\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"ff\r\nshort"),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n"),
])
def test_fault_50_closed_in_the_middle_of_the_body(make_proxy, make_origin, head, body):
    def answer(request, sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
        raise EOFError
    proxy = make_proxy(make_origin(answer))
    assert asked(proxy) in ("cut", 0, 502, 503), "a truncated body must never look whole"
    proxy.origin.answer = lambda request, sock: reply()
    assert asked(proxy) == 200


@pytest.mark.parametrize("bad", [
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"HTTP/1.1 banana OK\r\n\r\n",
    b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\x00b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX : a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: a\r\n" % i for i in range(5000)) + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200000 + b"\r\nContent-Length: 0\r\n\r\n",
], ids=lambda bad: repr(bad[:30]))
def test_fault_51_not_a_response(make_proxy, make_origin, bad):
    proxy = make_proxy(make_origin(lambda request, sock: bad))
    assert asked(proxy) == 502
    before = proxy.origin.connections
    proxy.origin.answer = lambda request, sock: reply()
    assert asked(proxy) == 200
    assert proxy.origin.connections == before + 1, "the connection that sent garbage was used again"


def test_fault_52_interim_responses_are_bounded(make_proxy, make_origin):
    def answer(request, sock):
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100000)
        return reply()
    proxy = make_proxy(make_origin(answer))
    assert asked(proxy) in (200, 502)
    assert proxy.sidecar.peak_memory_mib() < 64


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned", b"trailing garbage", b"\r\n"])
def test_fault_53_more_than_was_announced(make_proxy, make_origin, extra):
    proxy = make_proxy(make_origin(lambda request, sock: reply(b"good") + extra))
    with raw.Raw(proxy.port) as client:
        for number in range(5):
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            try:
                assert client.response().body == b"good"
            except (EOFError, Malformed):
                pytest.fail("the extra bytes reached the client")
    assert proxy.origin.connections == 5, "a poisoned connection was used again"


def test_fault_53_an_answer_before_the_question(make_proxy, make_origin):
    """The origin speaks on an idle connection: that connection must not serve the next request."""
    proxy = make_proxy(make_origin(lambda request, sock: reply(b"good")), one_worker=True)
    held = []

    def answer(request, sock):
        held.append(sock)
        return reply(b"good")
    proxy.origin.answer = answer
    assert raw.get(proxy.port).body == b"good"
    held[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
    for _ in range(3):
        assert raw.get(proxy.port).body == b"good"
    assert proxy.origin.connections == 2


def test_fault_54_an_answer_before_the_whole_request(make_proxy, make_origin):
    def answer(request, sock):
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
        raise EOFError
    answer.before_body = True
    proxy = make_proxy(make_origin(answer))
    with raw.Raw(proxy.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert client.response().status in (413, 503)
    assert raw.get(proxy.port, method="POST", body=b"").status in (413, 503)


def test_a_reused_connection_that_is_closed_costs_nobody_a_request(make_proxy, make_origin):
    """Idempotent requests on a connection that the origin has closed meanwhile are sent once more on a fresh one."""
    proxy = make_proxy(make_origin())
    for number in range(20):
        with raw.Raw(proxy.port) as client:
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            assert client.response().status == 200
        proxy.origin.close_idle()
    assert len(proxy.origin.requests) == 20


def test_descriptors_are_given_back(make_proxy, make_origin):
    proxy = make_proxy(make_origin(lambda request, sock: reply(headers=[b"Connection: close"])))
    assert raw.get(proxy.port).status == 200
    before = proxy.sidecar.open_descriptors()
    for _ in range(100):
        assert raw.get(proxy.port).status == 200
    processes.wait_until(lambda: proxy.sidecar.open_descriptors() <= before + 2,
                         "descriptors: %d before, %d after" % (before, proxy.sidecar.open_descriptors()))
