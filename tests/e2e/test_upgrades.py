"""WebSocket and other upgrades through two sidecars with mutual TLS between them: bytes pass as they are, each direction to its own end."""
import os
import signal
import socket
import struct
import threading
import time

import ads
import bootstrap
import pki
import processes
import pytest
import raw
from mesh import Mesh
from steered import SERVER, connect, is_reset, tls_socket
from websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, UPGRADES, Application, Client, Pair, ask,
                       echo, frame, read_frame, read_to_end, reset, switch, websocket)


@pytest.fixture
def make_pair(run_sidecar, authority, tmp_path):
    """make_pair(serve, **options of Pair) -> Pair"""
    made = []

    def make(serve=websocket, **options):
        made.append(Application(serve))
        return Pair(run_sidecar, authority, tmp_path, made[-1], **options)

    yield make
    for application in made:
        application.close()


def test_fault_76_a_websocket_passes_two_sidecars(make_pair):
    pair = make_pair()
    with Client(pair.port).upgrade() as client:
        client.say(TEXT, b"hello")
        assert client.hear() == (True, TEXT, b"hello")
        client.say(PING, b"are you there")
        assert client.hear() == (True, PONG, b"are you there")
        client.say(BINARY, bytes(range(256)) * 256)  # 64 KiB: a length of 64 bits
        assert client.hear() == (True, BINARY, bytes(range(256)) * 256)
        client.say(CLOSE, struct.pack(">H", 1000))
        assert client.hear() == (True, CLOSE, struct.pack(">H", 1000))
        assert client.rest() == b""
    [request] = pair.application.requests
    assert request.header("upgrade") == ["websocket"] and request.header("connection") == ["Upgrade"]
    assert request.header("sec-websocket-key") == ["dGhlIHNhbXBsZSBub25jZQ=="]
    assert not request.header("content-length") and not request.header("transfer-encoding")
    received, sent = 6 + 5 + 6 + 13 + 14 + 65536 + 8, 2 + 5 + 2 + 13 + 10 + 65536 + 4
    for which in (0, 1):
        assert pair.logged(which) == ["101 - %d %d GET /chat" % (received, sent)]


def test_fault_76_it_is_counted_once(make_pair):
    pair = make_pair()
    with Client(pair.port).upgrade() as client:
        client.say(CLOSE)
        client.rest()
    pair.logged()
    counted = {dict(labels)["response_code"]: value for (name, labels), value in pair.outbound.metrics().items() if name == "istio_requests_total"}
    assert counted == {"101": 1}


def test_fault_76_a_frame_of_three_mebibytes(make_pair):
    pair = make_pair()
    payload = os.urandom(3 << 20)
    with Client(pair.port).upgrade() as client:
        sender = threading.Thread(target=client.say, args=(BINARY, payload))
        sender.start()
        fin, opcode, came = client.hear()
        sender.join()
        assert (fin, opcode) == (True, BINARY) and came == payload


def test_fault_76_a_fragmented_close_passes(make_pair):
    """It may not be, and whether it is taken is between the two."""
    pair = make_pair()
    with Client(pair.port).upgrade() as client:
        client.say(CLOSE, b"\x03", fin=False)
        assert client.hear() == (False, CLOSE, b"\x03")
        client.say(CONTINUATION, b"\xe8")
        assert client.hear() == (True, CONTINUATION, b"\xe8")
        client.say(CLOSE)
        assert client.hear() == (True, CLOSE, b"")


GARBAGE = b"\x00\xff\x8f\x7f" + b"GET /evil HTTP/1.1\r\nHost: chat\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + bytes(range(256)) * 40


def test_fault_76_garbage_passes_unchanged(make_pair):
    def serve(_, request, stream):
        switch(request, stream.sock)
        stream.sock.sendall(GARBAGE)
        stream.sock.shutdown(socket.SHUT_WR)
        return read_to_end(stream)

    pair = make_pair(serve)
    with Client(pair.port).upgrade() as client:
        for byte in GARBAGE[:200]:
            client.sock.sendall(bytes([byte]))
        client.sock.sendall(GARBAGE[200:])
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest() == GARBAGE
    assert pair.application.result() == GARBAGE
    assert [r.path for r in pair.application.requests] == ["/chat"], "bytes were taken for a request"


def test_fault_76_bytes_sent_too_early_wait_for_the_101(make_pair):
    seen = []

    def serve(_, request, stream):
        stream.sock.settimeout(0.3)
        try:
            seen.append(stream.held or stream.sock.recv(1))
        except socket.timeout:
            seen.append(b"")
        stream.sock.settimeout(raw.TIMEOUT)
        switch(request, stream.sock)
        echo(stream)

    pair = make_pair(serve)
    with Client(pair.port) as client:
        client.send(ask() + frame(TEXT, b"early", mask=b"abcd"))
        assert client.response().status == 101
        assert client.hear() == (True, TEXT, b"early")
    assert seen == [b""], "what is not known to be upgraded was forwarded"


@pytest.mark.parametrize("early", ["client", "application"])
def test_fault_76_half_close(make_pair, early):
    size = 4 << 20

    def serve(_, request, stream):
        switch(request, stream.sock)
        if early == "client":
            came = read_to_end(stream)
            stream.sock.sendall(came[::-1])
            return len(came)
        stream.sock.sendall(b"last words")
        stream.sock.shutdown(socket.SHUT_WR)
        return len(read_to_end(stream))

    pair = make_pair(serve)
    sent = os.urandom(size)
    with Client(pair.port).upgrade() as client:
        if early == "client":
            client.sock.sendall(sent)
            client.sock.shutdown(socket.SHUT_WR)
            assert client.rest() == sent[::-1]
        else:
            assert client.rest() == b"last words"
            client.sock.sendall(sent)
            client.sock.shutdown(socket.SHUT_WR)
        assert pair.application.result() == size
    assert pair.logged()[0].startswith("101 - ")


def test_fault_76_the_applications_reset_reaches_the_client(make_pair):
    def serve(_, request, stream):
        switch(request, stream.sock)
        read_frame(stream)
        reset(stream.sock)

    pair = make_pair(serve)
    with Client(pair.port).upgrade() as client:
        client.say(TEXT, b"go")
        with pytest.raises(ConnectionResetError):
            client.rest()
    assert pair.logged()[0].startswith("101 UC ")


def test_fault_76_the_clients_reset_reaches_the_application(make_pair):
    pair = make_pair(lambda _, request, stream: (switch(request, stream.sock), read_to_end(stream)))
    with Client(pair.port).upgrade() as client:
        reset(client.sock)
    assert pair.application.result() == ConnectionResetError
    assert pair.logged()[0].startswith("101 DC ")


@pytest.mark.parametrize("options", [{"outbound": {"stream_idle_timeout": "0.5s"}}, {"route": {"idle_timeout": "0.5s"}}])
def test_fault_76_silence_has_a_limit(make_pair, options):
    pair = make_pair(lambda _, request, stream: (switch(request, stream.sock), read_to_end(stream)), **options)
    with Client(pair.port).upgrade() as client:
        with pytest.raises(ConnectionResetError):
            client.rest()
    assert pair.application.result() == ConnectionResetError
    assert pair.logged()[0].startswith("101 SI ")


def test_fault_76_talk_may_outlast_idle_limit_and_request_timeout(make_pair):
    pair = make_pair(outbound={"stream_idle_timeout": "1s"}, route={"timeout": "0.5s"})
    end = time.monotonic() + 2.5
    with Client(pair.port).upgrade() as client:
        while time.monotonic() < end:
            client.say(TEXT, b"x")
            assert client.hear() == (True, TEXT, b"x")


def test_fault_76_an_application_that_does_not_answer_meets_the_request_timeout(make_pair):
    pair = make_pair(lambda _, request, stream: read_to_end(stream), route={"timeout": "0.3s"})
    with Client(pair.port) as client:
        client.send(ask())
        assert client.response().status == 504


def test_fault_76_an_unknown_type_is_refused(make_pair):
    pair = make_pair()
    with Client(pair.port) as client:
        client.send(ask("TLS/1.0"))
        assert client.response().status == 403
        client.send(ask("websocket, TLS/1.0"))
        assert client.response().status == 403
        assert pair.application.requests == []
        client.upgrade()  # nothing was behind the refused ones: the connection stays
        client.say(TEXT, b"hello")
        assert client.hear() == (True, TEXT, b"hello")


@pytest.mark.parametrize("types", [{"inbound": {"upgrade_configs": []}}, {"outbound": {"upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}]}},
                                   {"route": {"upgrade_configs": [{"upgrade_type": "WEBSOCKET", "enabled": False}]}}])
def test_fault_76_what_one_sidecar_refuses_is_refused(make_pair, types):
    pair = make_pair(**types)
    with Client(pair.port) as client:
        client.send(ask())
        assert client.response().status == 403
    assert pair.application.requests == []


def test_fault_76_a_route_may_allow_a_type(make_pair):
    """As Docker's API does it: a POST with a body, and bytes after it."""
    def serve(_, request, stream):
        switch(request, stream.sock, b"tcp")
        stream.sock.sendall(request.body + read_to_end(stream))

    allowed = {"upgrade_configs": [{"upgrade_type": "tcp"}]}
    pair = make_pair(serve, route=allowed, inbound=allowed)
    with Client(pair.port) as client:
        client.send(ask("tcp", method="POST", more=b"Content-Length: 2\r\n") + b"{}stdin")
        assert client.response().status == 101
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest() == b"{}stdin"


def refuse(_, request, stream):
    body = b"no such chat"
    stream.sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return "again"


def test_fault_76_another_answer_is_an_ordinary_one(make_pair):
    pair = make_pair(refuse)
    with Client(pair.port) as client:
        for _ in range(3):
            client.send(ask())
            answer = client.response()
            assert (answer.status, answer.body) == (404, b"no such chat")
    assert pair.logged()[0] == "404 - 0 12 GET /chat"


@pytest.mark.parametrize("upgrade", ["websocket", "TLS/1.0"])
def test_fault_76_bytes_behind_a_refused_upgrade_are_no_request(make_pair, upgrade):
    pair = make_pair(refuse)
    with Client(pair.port) as client:
        client.send(ask(upgrade) + b"GET /evil HTTP/1.1\r\nHost: chat\r\n\r\n")
        assert client.response().status in (404, 403)
        assert client.rest() == b"", "a second answer, to what was no request"
    assert "/evil" not in [r.path for r in pair.application.requests]


def test_fault_76_rules_judge_the_upgrade_as_any_request(make_pair):
    rules = bootstrap.rbac({"chat": {"permissions": [{"url_path": {"path": {"exact": "/chat"}}}], "principals": [{"any": True}]}})
    pair = make_pair(inbound={"filters": [rules]})
    with Client(pair.port) as client:
        client.send(ask(path="/secret"))
        assert client.response().status == 403
        client.send(ask(path="/chat/../secret"))
        assert client.response().status == 403
        assert pair.application.requests == []
        client.upgrade(path="/secret/../chat")
    assert [r.path for r in pair.application.requests] == ["/chat"]


def test_fault_76_it_counts_until_it_ends(make_pair):
    pair = make_pair(cluster={"circuit_breakers": {"thresholds": [{"max_requests": 1, "max_connections": 1}]}})
    with Client(pair.port).upgrade() as client:
        assert raw.get(pair.port, host="chat").status == 503
        client.say(CLOSE)
        client.rest()
    pair.logged()
    with Client(pair.port).upgrade() as client:  # on a connection of its own: that of the first is over
        client.say(TEXT, b"x")
        assert client.hear() == (True, TEXT, b"x")


def test_fault_76_it_says_nothing_ill_of_its_endpoint(make_pair):
    def serve(_, request, stream):
        switch(request, stream.sock)
        reset(stream.sock)

    pair = make_pair(serve, cluster={"outlier_detection": {"consecutive_5xx": 1, "consecutive_gateway_failure": 1,
                                                           "enforcing_consecutive_gateway_failure": 100, "max_ejection_percent": 100}})
    for _ in range(4):
        with Client(pair.port).upgrade() as client:
            with pytest.raises(ConnectionResetError):
                client.rest()
    assert len(pair.application.requests) == 4


def test_fault_76_who_does_not_read_holds_up_who_sends(make_pair):
    """No more than is allowed lies in the two sidecars, whatever is sent."""
    size, blocks = 1 << 20, 64

    def serve(_, request, stream):
        switch(request, stream.sock)
        for _ in range(blocks):
            stream.sock.sendall(b"x" * size)

    pair = make_pair(serve)
    before = pair.outbound.memory_mib() + pair.inbound.memory_mib()
    with Client(pair.port).upgrade() as client:
        assert not pair.application.done.wait(1), "all of it was taken, and nobody had read"
        assert pair.outbound.peak_memory_mib() + pair.inbound.peak_memory_mib() < before + 16
        assert len(client.rest()) == size * blocks


@pytest.mark.parametrize("side", ["outbound", "inbound"])
@pytest.mark.parametrize("grace", [1, 3600])
def test_fault_76_draining_leaves_it_until_it_ends_or_the_grace_period_does(make_pair, side, grace):
    pair = make_pair(arguments=("--drain-time", str(grace)))
    sidecar = getattr(pair, side)
    sidecar.expected_to_end = True
    with Client(pair.port).upgrade() as client:
        sidecar.process.send_signal(signal.SIGTERM)
        processes.wait_until(lambda: "draining" in sidecar.log(), "it drains")
        if grace == 1:
            processes.wait_until(client.closed, "it outlasts the grace period")
        else:
            for _ in range(300):  # with nobody else there it would have ended long ago
                assert talks(client)
            client.say(CLOSE)
            client.rest()
    assert sidecar.process.wait(20) == 0


def exact(*names):
    return [{"san_type": "URI", "matcher": {"exact": pki.spiffe(name)}} for name in names]


@pytest.fixture
def chat():
    made = Application(websocket)
    yield made
    made.close()


def talks(client):
    client.say(TEXT, b"ping")
    return client.hear() == (True, TEXT, b"ping")


def test_fault_76_who_may_be_here_no_more_is_reset(management, dynamic, authority, chat):
    """A request is judged once; a conversation with every change of names and rules."""
    port = processes.free_port()

    def push(names, *filters):
        tls = tls_socket("Downstream", names, require_client_certificate=True, alpn=["http/1.1"])
        manager = bootstrap.connection_manager(filters=filters, upgrade_configs=UPGRADES)
        listener = bootstrap.listener(port, manager, tls=tls, name="in", traffic_direction="INBOUND")
        listener["filter_chains"][0]["name"] = "http"
        management.put("listener", listener)

    management.put("cluster", bootstrap.cluster(ports=[chat.port]))
    management.put("secret", ads.certificate_secret("default", authority.issue("server", [SERVER])))
    management.put("secret", ads.roots_secret("ROOTCA", authority))
    push(exact("old", "new"))
    dynamic().wait_for_port(port)
    old, new = (Client(0, connect(port, authority.issue(name, [pki.spiffe(name)]))).upgrade() for name in ("old", "new"))
    assert talks(old) and talks(new)
    push(exact("new"))
    assert is_reset(old.sock)
    assert talks(new)
    push(exact("new"), bootstrap.rbac({"all": {"permissions": [{"url_path": {"path": {"exact": "/chat"}}}], "principals": [{"any": True}]}}))
    assert talks(new), "the rules allow it"
    push(exact("new"), bootstrap.rbac({"all": {"permissions": [{"url_path": {"path": {"exact": "/chat"}}}], "principals": [{"any": True}]}}, "DENY"))
    assert is_reset(new.sock)
    old.close()
    new.close()


def test_fault_76_an_upstream_that_may_be_no_more_is_left(management, dynamic, run_sidecar, authority, chat):
    inner, port = processes.free_port(), processes.free_port()
    run_sidecar([bootstrap.listener(inner, bootstrap.connection_manager(upgrade_configs=UPGRADES),
                                    tls=bootstrap.downstream_tls(authority.issue("server", [SERVER])))], [bootstrap.cluster(ports=[chat.port])])

    def push(*names):
        management.put("cluster", bootstrap.cluster(ports=[inner], tls=tls_socket("Upstream", exact(*names), alpn=["http/1.1"])))
    management.put("secret", ads.certificate_secret("default", authority.issue("client", [pki.spiffe("client")])))
    management.put("secret", ads.roots_secret("ROOTCA", authority))
    push("server")
    management.put("listener", bootstrap.listener(port, bootstrap.connection_manager(upgrade_configs=UPGRADES), name="out"))
    dynamic().wait_for_port(port)
    with Client(port).upgrade() as client:
        push("server", "other")
        assert talks(client)
        push("other")
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_fault_76_no_configuration_is_needed(tmp_path):
    """A mesh as anybody has it."""
    mesh = Mesh(tmp_path)
    application = Application(websocket)
    try:
        web = mesh.add("web")
        chat = mesh.new_workload("chat")
        chat.origin.close()
        chat.origin = application
        mesh.make_token("chat")
        mesh.start_sidecar(chat)
        mesh.wait_in_step(chat)

        def upgraded():
            client = Client(web.outbound)
            client.send(ask())
            if client.response().status == 101:
                return client
            client.close()
            return None
        with processes.wait_until(upgraded, "chat does not answer") as client:
            client.say(TEXT, b"hello")
            assert client.hear() == (True, TEXT, b"hello")
            client.say(CLOSE)
            client.rest()
        assert application.requests[-1].header("upgrade") == ["websocket"]
    finally:
        mesh.close()
        application.close()
