"""Faults 1 to 20 seen from outside: the recording origin behind the sidecar judges.

A case is rejected if the client is refused and the origin saw nothing of it; it leaks if anything of it got through.
"""
import pytest
import raw
from origin import reply

HOST = b"Host: test.local\r\n"


def refusal(proxy, data):
    """The status with which the bytes are refused; the connection must end with it, and answer nothing of what stands behind."""
    with raw.Raw(proxy.port) as client:
        client.send(data)
        try:
            status = client.response().status
        except (EOFError, ConnectionError):
            return 0
        rest = client.stream.held
        while True:
            try:
                part = client.sock.recv(1 << 16)
            except ConnectionError:
                break
            if not part:
                break
            rest += part
    assert not rest, "a second answer: %r" % rest[:80]
    return status


def verdict(proxy, data, allowed):
    """Sends the bytes, and behind them a request that a confused proxy would take for one of its own."""
    proxy.origin.forget()
    status = refusal(proxy, data)
    assert raw.get(proxy.port, "/probe").status == 200, "the proxy no longer serves"
    leaked = [p for p in proxy.origin.paths() if p != "/probe"]
    assert not proxy.origin.malformed, "LEAK: the origin got %s" % proxy.origin.malformed
    assert not leaked, "LEAK: %s reached the origin (status %d)" % (leaked, status)
    assert status in allowed, "REJECT expected %s, got %s" % (sorted(allowed), status)


def refuse(proxy, cases, allowed=(400,)):
    failed = []
    for data in cases:
        try:
            verdict(proxy, data, set(allowed))
        except AssertionError as error:
            failed.append("%r: %s" % (data[:90], error))
    assert not failed, "\n" + "\n".join(failed)


def post(fields, body=b"hello", method=b"POST"):
    return b"%s / HTTP/1.1\r\n%s%s\r\n%s" % (method, HOST, fields, body)


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test.local\r\n\r\n"


def test_fault_01_content_length_and_transfer_encoding(proxy):
    refuse(proxy, [
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 50\r\n", b"0\r\n\r\n" + SMUGGLED),
        post(b"transfer-encoding: chunked\r\ncontent-length: 0\r\n", b"5\r\nhello\r\n0\r\n\r\n")])


@pytest.mark.parametrize("value", [b"5, 5", b"5,5", b"+5", b"0x5", b"-1", b"", b"1e3", b"5 5", b"5;", b"\xef\xbc\x95", b"99999999999999999999", b"'5'"])
def test_fault_02_content_length_is_one_plain_number(proxy, value):
    refuse(proxy, [post(b"Content-Length: " + value + b"\r\n")])


def test_fault_02_two_content_lengths(proxy):
    refuse(proxy, [post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!" + SMUGGLED),
                   post(b"Content-Length: 5\r\nContent-Length: 5\r\n")])


@pytest.mark.parametrize("value", [b"xchunked", b"chunked, chunked", b"identity", b"chunked, identity", b"gzip, chunked", b"\x0bchunked",
                                   b"\xa0chunked", b"chunked\x00", b"chunked;q=1", b"\"chunked\"", b"cow", b"", b"chunked,"])
def test_fault_03_transfer_encoding_is_chunked_or_nothing(proxy, value):
    refuse(proxy, [post(b"Transfer-Encoding: " + value + b"\r\n", b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED)], (400, 501))


def test_fault_03_two_transfer_encodings(proxy):
    refuse(proxy, [post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
                   post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n" + SMUGGLED),
                   b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED], (400, 426, 501, 505))


def test_fault_04_line_ends(proxy):
    refuse(proxy, [
        b"GET / HTTP/1.1\nHost: test.local\n\n",
        b"GET / HTTP/1.1\r\nHost: test.local\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test.local\r\nA: b\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test.local\r\nA: b\rC: d\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test.local\r\nA: b\r\r\n\r\n",
        b"GET / HTTP/1.1\rHost: test.local\r\r",
        b"GET / HTTP/1.1\r\nHost: test.local\r\n\n" + SMUGGLED])


@pytest.mark.parametrize("byte", [0, 1, 7, 8, 11, 12, 27, 31, 127])
def test_fault_05_control_bytes(proxy, byte):
    bad = bytes([byte])
    refuse(proxy, [b"GET / HTTP/1.1\r\n" + HOST + b"X: a" + bad + b"b\r\n\r\n",
                   b"GET / HTTP/1.1\r\n" + HOST + b"X" + bad + b"Y: ab\r\n\r\n",
                   b"GET /a" + bad + b"b HTTP/1.1\r\n" + HOST + b"\r\n"])


def test_fault_06_folding_and_blanks_around_names(proxy):
    refuse(proxy, [
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n\tfolded\r\n\r\n",
        post(b"Content-Length : 5\r\n"),
        post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
        b"GET / HTTP/1.1\r\n Host: test.local\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b" X: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n"])


def test_fault_07_host(proxy):
    refuse(proxy, [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:notaport\r\n\r\n"])


def test_fault_07_the_authority_of_an_absolute_target_wins(proxy):
    assert raw.ask(proxy.port, b"GET http://real.local/x?y HTTP/1.1\r\nHost: other.local\r\n\r\n") == 200
    request = proxy.origin.requests[0]
    assert request.path == "/x?y" and request.header("host") == ["real.local"]


def test_fault_08_versions(proxy):
    refuse(proxy, [b"GET /\r\n\r\n"] + [b"GET / %s\r\n%s\r\n" % (v, HOST) for v in (
        b"HTTP/0.9", b"HTTP/1.2", b"HTTP/9.9", b"HTTP/1.1x", b"HTTP/2.0", b"http/1.1", b"HTTP/1.", b"HTTP/11", b"HTTP/1.1 ", b"ICY/1.1")],
           (400, 426, 505))


def test_fault_09_methods(proxy):
    refuse(proxy, [b"%s / HTTP/1.1\r\n%s\r\n" % (m, HOST) for m in (
        b"G" * (1 << 20), b"GE(T", b"GE\tT", b"\"GET\"", b"GET:", b"G\xc3\x89T", b"")] + [
            b" GET / HTTP/1.1\r\n" + HOST + b"\r\n", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET / x HTTP/1.1\r\n" + HOST + b"\r\n", b"GET HTTP/1.1\r\n" + HOST + b"\r\n"])


def test_fault_10_sixty_kilobytes_of_headers(proxy):
    refuse(proxy, [b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * (62 << 10) + b"\r\n\r\n",
                   b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X%d: %s\r\n" % (i, b"a" * 1000) for i in range(70)) + b"\r\n"], (431,))
    assert raw.get(proxy.port, headers=[("X", "a" * 50000)]).status == 200


def test_fault_10_an_endless_line_is_cut(proxy):
    refuse(proxy, [b"GET /" + b"a" * (2 << 20)], (431,))
    refuse(proxy, [b"GET / HTTP/1.1\r\n" + HOST + b"a" * (2 << 20)], (431,))


def test_fault_11_a_hundred_headers(proxy):
    def with_fields(count):
        return b"GET /many HTTP/1.1\r\n" + HOST + b"".join(b"X%d: a\r\n" % i for i in range(count)) + b"\r\n"
    # Host is one of them.
    refuse(proxy, [with_fields(100), with_fields(5000)], (431,))
    assert raw.ask(proxy.port, with_fields(99)) == 200


@pytest.mark.parametrize("size", [b"fffffffffffffffff", b"10000000000000000", b"+5", b"-5", b" 5", b"5 ", b"5_0", b"0x5", b"", b"g", b"5\t", b"\x005"])
def test_fault_13_chunk_sizes(proxy, size):
    data = post(b"Transfer-Encoding: chunked\r\n", size + b"\r\nhello\r\n0\r\n\r\n")
    # What stood before the bad chunk may have been sent on already, but must not come to an end there.
    proxy.origin.forget()
    assert refusal(proxy, data) == 400
    assert raw.get(proxy.port, "/probe").status == 200
    assert proxy.origin.paths() == ["/probe"], "LEAK"


def test_fault_14_chunk_extensions(proxy):
    for body in (b"5;" + b"x" * (20 << 10) + b"\r\nhello\r\n0\r\n\r\n",
                 b"".join(b"1;%s\r\na\r\n" % (b"y" * 1000) for _ in range(40)) + b"0\r\n\r\n",
                 b"5;a\rb\r\nhello\r\n0\r\n\r\n",
                 b"5\r\r;a=b\r\nhello\r\n0\r\n\r\n",
                 b"5;a\nb\r\nhello\r\n0\r\n\r\n",
                 b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"):
        proxy.origin.forget()
        assert refusal(proxy, post(b"Transfer-Encoding: chunked\r\n", body)) == 400, body[:40]
        assert raw.get(proxy.port, "/probe").status == 200
        assert proxy.origin.paths() == ["/probe"], "LEAK %r" % body[:40]


def test_fault_15_chunk_ends(proxy):
    for body in (b"5\r\nhello0\r\n\r\n", b"5\r\nhelloXX\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\n\n",
                 b"5\r\nhello\r\n0\r\nX\r\n\r\n", b"5\r\nhello\r\n0\r\n\rX"):
        proxy.origin.forget()
        assert refusal(proxy, post(b"Transfer-Encoding: chunked\r\n", body)) == 400, body
        assert raw.get(proxy.port, "/probe").status == 200
        assert proxy.origin.paths() == ["/probe"], "LEAK %r" % body


def test_fault_16_trailers_cannot_frame_or_authorize(make_proxy, origin):
    proxy = make_proxy(origin, cluster={"trailers": True})
    trailers = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: x\r\nX-Fine: yes\r\n"
    status = raw.ask(proxy.port, post(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n"))
    assert status == 200
    (request,) = origin.requests
    assert request.body == b"hello" and request.trailers == [(b"X-Fine", b"yes")]
    assert not origin.malformed


def test_fault_16_three_thousand_trailers(proxy):
    proxy.origin.forget()
    many = b"".join(b"X%d: a\r\n" % i for i in range(3000))
    assert refusal(proxy, post(b"Transfer-Encoding: chunked\r\n", b"0\r\n" + many + b"\r\n")) == 431
    assert raw.get(proxy.port, "/probe").status == 200
    assert proxy.origin.paths() == ["/probe"]


def test_fault_17_ten_thousand_pipelined(proxy):
    count = 10000
    proxy.origin.answer = lambda request, sock: reply(request.path.encode())
    before = proxy.sidecar.memory_mib()
    import threading
    with raw.Raw(proxy.port) as client:
        data = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(count))
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        for number in range(count):
            assert client.response().body == b"/%d" % number
        sender.join()
    assert proxy.sidecar.peak_memory_mib() < before + 16


def test_fault_18_upgrades_and_connect(proxy):
    for upgrade, expected in ((b"h2c", 200), (b"websocket", 403), (b"TLS/1.0", 403)):
        proxy.origin.forget()
        with raw.Raw(proxy.port) as client:
            client.send(b"GET /up HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade +
                        b"\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
            status = client.response().status
        assert status == expected, upgrade
        # h2c is left out and the request goes on without; what else is asked for is not granted.
        assert len(proxy.origin.requests) == (expected == 200)
        for request in proxy.origin.requests:
            assert not request.header("upgrade") and not request.header("http2-settings") and not request.header("connection")
    refuse(proxy, [b"CONNECT internal:22 HTTP/1.1\r\nHost: internal:22\r\n\r\n" + SMUGGLED], (400, 403, 404, 405, 501))


def test_fault_18_a_101_that_nobody_asked_for(proxy):
    proxy.origin.answer = lambda request, sock: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nbytes"
    assert raw.ask(proxy.port, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") in (502, 503)


def test_fault_19_expect_continue(proxy):
    with raw.Raw(proxy.port) as client:
        client.send(post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b""))
        line = client.stream.line()
        assert line.startswith(b"HTTP/1.1 100"), line
        assert client.stream.line() == b""
        client.send(b"hello")
        assert client.response().status == 200
        # Without a body there is nothing to wait for.
        client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n")
        assert client.response().status == 200
    assert proxy.origin.requests[0].body == b"hello"


def test_fault_19_the_body_may_come_at_once(proxy):
    with raw.Raw(proxy.port) as client:
        client.send(post(b"Expect: 100-continue\r\nContent-Length: 5\r\n"))
        assert client.response().status == 200


def test_fault_19_unknown_expectation(proxy):
    refuse(proxy, [post(b"Expect: miracles\r\nContent-Length: 5\r\n")], (417,))


def test_fault_20_slow_headers_are_cut(make_proxy, origin):
    proxy = make_proxy(origin, request_headers_timeout="0.5s")
    with raw.Raw(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test.local\r\nX-Slow: ")
        assert client.response().status == 408
        assert client.closed()
    assert raw.get(proxy.port, "/probe").status == 200
    assert origin.paths() == ["/probe"]


def test_fault_20_a_dripping_client_is_cut_too(make_proxy, origin):
    import socket
    import threading
    proxy = make_proxy(origin, request_headers_timeout="0.5s")
    with raw.Raw(proxy.port) as client:
        ended = threading.Event()

        def drip():
            while not ended.wait(0.05):
                try:
                    client.sock.sendall(b"x")
                except OSError:
                    return
        client.send(b"GET / HTTP/1.1\r\nHost: test.local\r\nX-Slow: ")
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert client.response().status == 408
        except (EOFError, ConnectionError, socket.timeout) as error:
            assert not isinstance(error, socket.timeout), "never cut"
        finally:
            ended.set()
            thread.join()
    assert origin.paths() == []
