"""Clients without a credential cannot exhaust the control plane, nor keep out those who have one."""
import json
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest

import control
import processes
import strangers

LARGEST_MIB = 128
# For an admin's command, whatever else goes on.
PATIENCE = 2 if not processes.SANITIZED else 20


class Control(control.ControlPlane):
    def __init__(self, folder):
        super().__init__(folder, [processes.free_port() for _ in range(3)])
        self.process = processes.Child(self.control_argv(), self.path("control.log"))
        self.process.wait_for_port(self.health)
        processes.wait_until(self.answers, "tulle-control does not answer:\n" + self.process.log())

    def metric(self, name):
        """The sum of its rows."""
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.health, timeout=10) as reply:
            rows = re.findall(r"^%s(?:{.*})? (\d+)$" % name, reply.read().decode(), re.M)
        assert rows, name
        return sum(map(int, rows))

    def ask_as_admin(self):
        """Seconds that a command of the admin took."""
        begin = time.monotonic()
        subprocess.run(self._tullectl_argv(control.binary("control-plane/cli/tullectl"), "status"), capture_output=True, check=True, timeout=PATIENCE)
        return time.monotonic() - begin


@pytest.fixture(name="plane")
def control_plane(tmp_path):
    plane = Control(tmp_path)
    yield plane
    plane.process.stop()


class Attack:
    """Strangers from an address of loopback, for as long as the block runs."""

    def __init__(self, kind, port, count, source="127.0.0.1"):
        argv = [sys.executable, strangers.__file__, kind, "127.0.0.1", str(port), source, str(count)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self.process.stdout.readline() == "attacks\n"
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


@pytest.mark.parametrize("kind,port,count", [("apply", "api", 256), ("idle", "api", 256), ("idle", "grpc", 400), ("message", "grpc", 400)])
def test_an_admin_gets_through_while_strangers_attack(plane, kind, port, count):
    before = plane.process.memory_mib()
    # Not from the admin's own address: there, on a busy machine, more strangers than the port admits may connect during the admin's handshake,
    # which is then the oldest of that address.
    with Attack(kind, getattr(plane, port), count, "127.0.0.9"):
        for _ in range(16):  # longer than a stranger may stay
            plane.ask_as_admin()
            time.sleep(0.5)
        assert plane.metric("tulle_control_connections_without_identity") <= 512 + 128 + 64
        assert plane.process.peak_memory_mib() < LARGEST_MIB
    assert plane.metric("tulle_control_connections_refused_total") > 0
    processes.wait_until(lambda: plane.metric("tulle_control_connections_without_identity") < 10, "connections stay open")
    processes.wait_until(lambda: plane.process.memory_mib() < before + 24, "memory is not given back")
    log = plane.process.log()
    lines = len(re.findall(r" port: closed \d+ connections", log))
    assert 1 <= lines <= 20, log[-2000:]


def test_who_asks_is_decided_before_a_body_is_read(plane):
    """A refusal comes as soon as the head is there; with a credential the body is waited for."""
    with open(plane.admin_file, encoding="utf-8") as file:
        credential = json.load(file)["credential"]
    for bearer, status in (("wrong", b"401"), (credential, None)):
        raw_socket = socket.create_connection(("127.0.0.1", plane.api), 10)
        with strangers.context("http/1.1").wrap_socket(raw_socket) as client:
            client.sendall(b"POST /v1/apply HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %s\r\ncontent-length: 100000\r\n\r\n" % bearer.encode())
            client.settimeout(5 if status else 1)
            if status:
                assert client.recv(4096).split(b" ")[1] == status
                continue
            with pytest.raises(TimeoutError):
                client.recv(4096)
            client.sendall(b"#" * 100000)
            client.settimeout(10)
            assert client.recv(4096).split(b" ")[1] != b"401"


def test_a_source_that_opens_many_connections_waits_for_its_own(plane):
    """Handshakes are paced, and sources take turns: one that floods the sidecars' port does not use up the pace of others."""
    flood = []
    try:
        for _ in range(1200):
            sock = socket.socket()
            sock.bind(("127.0.0.2", 0))
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", plane.grpc))
            flood.append(sock)
        begin = time.monotonic()
        raw_socket = socket.create_connection(("127.0.0.1", plane.grpc), PATIENCE)
        with strangers.context("h2").wrap_socket(raw_socket) as client:
            assert client.selected_alpn_protocol() == "h2"
        assert time.monotonic() - begin < PATIENCE
    finally:
        for sock in flood:
            sock.close()


def test_a_slow_stranger_is_cut_off(plane):
    for port in (plane.api, plane.grpc):
        raw_socket = socket.create_connection(("127.0.0.1", port), 10)
        with strangers.context(None).wrap_socket(raw_socket) as client:
            client.settimeout(20)
            try:
                while client.recv(4096):
                    pass
            except (ConnectionError, ssl.SSLError):
                pass  # cut off by a reset
    assert plane.metric("tulle_control_connections_refused_total") >= 2
