"""Bytes that are not HTTP: relayed as they are, with half close."""
import hashlib
import socket

import bootstrap
import pki
import processes
import pytest
from byte_server import ByteServer, echo


def read_all(sock):
    digest, size = hashlib.sha256(), 0
    while True:
        data = sock.recv(1 << 18)
        if not data:
            return size, digest.hexdigest()
        size += len(data)
        digest.update(data)


@pytest.fixture
def byte_server():
    made = []

    def make(talk):
        made.append(ByteServer(talk))
        return made[-1]
    yield make
    for server in made:
        server.close()


def relay(run_sidecar, target, authority=None, **options):
    """The port of a chain to `target`: one sidecar, or two with mTLS between. options: of the proxy before `target`."""
    port = processes.free_port()
    if not authority:
        return port, [run_sidecar([bootstrap.listener(port, bootstrap.tcp_proxy(**options))], [bootstrap.cluster(ports=[target])])]
    inner = processes.free_port()
    server = authority.issue("server", [pki.spiffe("server")])
    client = authority.issue("client", [pki.spiffe("client")])
    behind = run_sidecar([bootstrap.listener(inner, bootstrap.tcp_proxy(**options), tls=bootstrap.downstream_tls(server, alpn=("istio",)))],
                         [bootstrap.cluster(ports=[target])])
    front = run_sidecar([bootstrap.listener(port, bootstrap.tcp_proxy())],
                        [bootstrap.cluster(ports=[inner], tls=bootstrap.upstream_tls(client, alpn=("istio",)))])
    return port, [front, behind]


@pytest.mark.parametrize("mtls", [False, True])
def test_echo_and_half_close(run_sidecar, byte_server, authority, mtls):
    def answer_after_the_end(sock):
        size, digest = read_all(sock)
        sock.sendall(b"%d %s" % (size, digest.encode()))
    server = byte_server(answer_after_the_end)
    port, _ = relay(run_sidecar, server.port, authority if mtls else None)
    data = bytes(range(256)) * 5000
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        reply = b""
        while True:
            part = sock.recv(4096)
            if not part:
                break
            reply += part
    assert reply == b"%d %s" % (len(data), hashlib.sha256(data).hexdigest().encode())


@pytest.mark.parametrize("mtls", [False, True])
def test_the_server_may_speak_first(run_sidecar, byte_server, authority, mtls):
    def greet(sock):
        sock.sendall(b"220 hello\r\n")
        echo(sock)
    port, _ = relay(run_sidecar, byte_server(greet).port, authority if mtls else None)
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        assert sock.recv(100) == b"220 hello\r\n"
        sock.sendall(b"\x00\xff\r\n")
        assert sock.recv(100) == b"\x00\xff\r\n"


@pytest.mark.parametrize("mtls", [False, True])
def test_a_hundred_megabytes_in_bounded_memory(run_sidecar, byte_server, authority, mtls):
    block = bytes(range(256)) * 4096
    count = 100

    def pour(sock):
        for _ in range(count):
            sock.sendall(block)
    port, sidecars = relay(run_sidecar, byte_server(pour).port, authority if mtls else None)
    before = [s.memory_mib() for s in sidecars]
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        size, digest = read_all(sock)
    assert size == count * len(block) and digest == hashlib.sha256(block * count).hexdigest()
    for sidecar, memory in zip(sidecars, before):
        assert sidecar.peak_memory_mib() < memory + 20


def test_a_reset_is_passed_on(run_sidecar, byte_server):
    def reset(sock):
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    port, (sidecar,) = relay(run_sidecar, byte_server(reset).port)
    before = sidecar.open_descriptors()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            sock.sendall(b"x")
            try:
                assert sock.recv(10) == b""
            except ConnectionResetError:
                pass
    processes.wait_until(lambda: sidecar.open_descriptors() <= before, "descriptors leak")


def test_nobody_behind_closes_the_connection(run_sidecar):
    port, _ = relay(run_sidecar, processes.free_port())
    try:
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            sock.settimeout(10)
            assert sock.recv(10) == b""
    except ConnectionResetError:
        pass


@pytest.mark.parametrize("mtls", [False, True])
def test_a_session_that_ends_normally_is_no_error(run_sidecar, byte_server, authority, tmp_path, mtls):
    """As PostgreSQL with TLS of its own: it ends on the client's word, and leaves the client's close_notify unread, which resets the connection."""
    ended = []

    def end_with_bytes_unread(sock):
        assert sock.recv(1) == b"X"
        close_wait = 8
        processes.wait_until(lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([close_wait]), "the client's end has come")
        sock.close()
        ended.append(1)
    log = tmp_path / "tcp.log"
    access_log = [{"name": "log", "typed_config": {"@type": bootstrap.TYPE + "extensions.access_loggers.file.v3.FileAccessLog", "path": str(log),
                                                   "log_format": {"text_format": "%RESPONSE_FLAGS%\n"}}}]
    port, sidecars = relay(run_sidecar, byte_server(end_with_bytes_unread).port, authority if mtls else None, access_log=access_log)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            sock.sendall(b"Xunread")
    processes.wait_until(lambda: len(ended) == 5, "the server has ended its sessions")
    for sidecar in reversed(sidecars):
        def closed():
            return sum(value for (name, _), value in sidecar.metrics().items() if name == "istio_tcp_connections_closed_total")
        processes.wait_until(lambda: closed() == 5, "all are closed")  # noqa: B023
        if sidecar is sidecars[-1]:
            flags = {dict(labels)["response_flags"] for (name, labels), value in sidecar.metrics().items() if value and name == "istio_tcp_connections_closed_total"}
            assert flags == {"-"}, "what has ended normally is no failure in metrics"
        sidecar.expected_to_end = True
        sidecar.stop()
        assert " error " not in sidecar.log(), sidecar.log()
    assert log.read_text(encoding="utf-8").splitlines() == ["UR"] * 5, "there was no reset"
