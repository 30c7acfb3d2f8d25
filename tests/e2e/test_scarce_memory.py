"""What happens when memory runs out: little is refused before much is lost."""
import resource
import socket
import time

import pytest

import bootstrap
import control_group
import processes
import raw
from mesh import Mesh
from test_control_plane import ready, saved_configuration

MIB = 1024 * 1024
PRESSURE = ("tulle_memory_pressure", frozenset())


@pytest.fixture
def group():
    made = control_group.ControlGroup(256 * MIB)
    yield made
    made.close()


def refused(sidecar):
    return sidecar.metrics().get(("tulle_downstream_connections_refused_total", frozenset({("reason", "memory")})), 0)


def wait_for_pressure(sidecar, value):
    processes.wait_until(lambda: sidecar.metrics().get(PRESSURE) == value, "memory pressure %d" % value)


def upload(port, size):
    """A connection that sends up to so many bytes of a longer body to somebody who reads none, until nobody takes more."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n")
    client.settimeout(0.5)
    try:
        for _ in range(0, size, 65536):
            client.sendall(b"x" * min(size, 65536))
    except TimeoutError:
        pass
    return client


def is_reset(client):
    client.setblocking(False)
    try:
        client.recv(1)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_fault_59_near_the_limit_new_work_is_refused_and_the_largest_request_ends(run_sidecar, make_origin, group, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as stuck:  # accepts in the kernel, reads nothing
        origin, port = make_origin(), processes.free_port()
        routes = [bootstrap.route("stuck", {"prefix": "/slow"}), bootstrap.route()]
        sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(routes, codec="HTTP1"))],
                              [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("stuck", [stuck.getsockname()[1]])])
        sidecar.stop()
        # Anew, this time in the group from its beginning, so that all of its memory counts.
        sidecar.expected_to_end = True
        argv = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group.path, *sidecar.argv]
        sidecar.process = processes.Child(argv, str(tmp_path / "in-group.log")).process
        try:
            sidecar.wait_until_ready()
            check_pressure(sidecar, group, port)
        finally:
            sidecar.stop()


def check_pressure(sidecar, group, port):
    wait_for_pressure(sidecar, 0)
    assert sidecar.metrics()[("tulle_memory_limit_bytes", frozenset())] == group.limit
    kept, small, large = raw.Raw(port), upload(port, 100), upload(port, 64 * MIB)

    group.fill_to(0.96)
    wait_for_pressure(sidecar, 1)
    kept.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    answer = kept.response()
    assert (answer.status, answer.body) == (503, b"proxy is short of memory")
    with pytest.raises((OSError, EOFError)):
        raw.get(port)
    assert refused(sidecar) >= 1
    assert not is_reset(small) and not is_reset(large), "what is under way goes on"

    group.fill_to(0.985)
    wait_for_pressure(sidecar, 2)
    processes.wait_until(lambda: is_reset(large), "the largest request ends")

    group.fill_to(0.5)
    wait_for_pressure(sidecar, 0)
    assert raw.get(port).status == 200
    assert not is_reset(small), "it held little"
    for client in (kept, small, large):
        client.close()


@pytest.mark.skipif(processes.SANITIZED, reason="a sanitizer that gets no memory ends the process by itself")
def test_without_memory_the_process_ends_with_a_message_and_serves_again_from_disk(tmp_path):
    mesh = Mesh(tmp_path)
    try:
        mesh.add("post")
        caller = mesh.add("caller")
        wanted = (b"outbound|80||post.", b"outbound|http", b"inbound|%d" % caller.inbound, b"ROOTCA")
        processes.wait_until(lambda: all(part in saved_configuration(caller) for part in wanted), "a saved configuration")
        mesh.kill_control()
        assert raw.get(caller.outbound, "/", host="post").status == 200
        sidecar = caller.sidecar
        resource.prlimit(sidecar.pid, resource.RLIMIT_AS, (16 * MIB, 16 * MIB))  # far below what it has: nothing more
        clients = []
        end = time.monotonic() + processes.PATIENCE
        while sidecar.running() and time.monotonic() < end:
            try:
                clients.append(socket.create_connection(("127.0.0.1", caller.outbound), 1))
                clients[-1].sendall(b"GET / HTTP/1.1\r\nhost: post\r\nx-large: " + b"y" * 8000)
            except OSError:
                pass
        for client in clients:
            client.close()
        assert not sidecar.running(), "it went on without memory"
        assert sidecar.process.wait() == 71, sidecar.log()[-2000:]
        assert "out of memory: " in sidecar.log() and "serves from its last configuration" in sidecar.log()

        mesh.start_sidecar(caller)
        caller.sidecar.wait_for_port(caller.admin)
        processes.wait_until(lambda: ready(caller) == 200, "it is ready")
        assert raw.get(caller.outbound, "/", host="post").status == 200
    finally:
        mesh.close()
