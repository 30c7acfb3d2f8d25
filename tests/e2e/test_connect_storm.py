"""Thousands of connections that are reset at once: who is served goes on being served, all are counted, and nothing stays behind."""
import socket
import subprocess
import sys
import threading

import bootstrap
import pki
import processes
import pytest
import raw

INSPECTOR = {"name": "envoy.filters.listener.tls_inspector", "typed_config": {
    "@type": bootstrap.TYPE + "extensions.filters.listener.tls_inspector.v3.TlsInspector"}}
TAKEN, ENDED = "tulle_downstream_connections_accepted_total", "tulle_downstream_connections_closed_total"
MOST = 30000

# A process of its own: connects and resets, every third after some bytes; says so once it has done it LEAST times, and goes on, to MOST at
# most, until its input ends. Then it says how many came through, of how many.
STORM = """
import select, socket, struct, sys
port, least, most = (int(word) for word in sys.argv[1:])
made = tried = 0
while made < most and not (made >= least and select.select([sys.stdin], [], [], 0)[0]):
    with socket.socket() as sock:
        sock.settimeout(10)
        tried += 1
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            sock.connect(("127.0.0.1", port))
        except OSError:
            continue
        made += 1
        try:
            if made % 3 == 0:
                sock.send(b"GET / HT")
        except OSError:
            pass
    if made == least:
        print("storms", flush=True)
print(made, tried)
"""


class Kept:
    """A client that asks and asks on one connection, until told to stop."""

    def __init__(self, port):
        self.statuses = []
        self.stop = threading.Event()
        self.client = raw.Raw(port)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        with self.client as client:
            while not self.stop.is_set():
                try:
                    client.sock.sendall(b"GET /kept HTTP/1.1\r\nHost: a\r\n\r\n")
                    self.statuses.append(client.response().status)
                except (OSError, EOFError) as error:
                    self.statuses.append(repr(error))
                    return

    def done(self):
        self.stop.set()
        self.thread.join()
        return self.statuses


def counters(sidecar):
    samples = sidecar.metrics()
    return [sum(value for (name, _), value in samples.items() if name == wanted) for wanted in (TAKEN, ENDED)]


# Where the queue is full, a connect waits a second and more for its turn.
@pytest.mark.parametrize("kind,least", [("http", 3000), ("tls", 3000), ("tcp", 3000), ("short_queue", 100)])
def test_fault_56_a_storm_of_resets_starves_nobody(run_sidecar, authority, origin, kind, least):
    """Each turn of a worker takes a bounded number of connections, and then looks after those it has."""
    port, stormed = processes.free_port(), processes.free_port()
    storms = {"http": lambda: bootstrap.listener(stormed, bootstrap.connection_manager()),
              "tls": lambda: bootstrap.listener(stormed, bootstrap.connection_manager(), listener_filters=[INSPECTOR],
                                                tls=bootstrap.downstream_tls(authority.issue("server", [pki.spiffe("server")]))),
              "tcp": lambda: bootstrap.listener(stormed, bootstrap.tcp_proxy("silent")),
              "short_queue": lambda: bootstrap.listener(stormed, bootstrap.connection_manager(), tcp_backlog_size=1)}
    silent = socket.create_server(("127.0.0.1", 0), backlog=4096)  # whom the kernel lets connect, and who never looks
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager()), storms[kind]()],
                          [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("silent", [silent.getsockname()[1]])])
    assert raw.get(port).status == 200
    descriptors = sidecar.open_descriptors()
    kept = Kept(port)
    processes.wait_until(lambda: len(kept.statuses) > 10, "it is served before the storm")
    before = counters(sidecar)[0]

    with subprocess.Popen([sys.executable, "-c", STORM, str(stormed), str(least), str(MOST)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as storm:
        assert storm.stdout.readline() == "storms\n"
        served = len(kept.statuses)
        processes.wait_until(lambda: len(kept.statuses) > served + 100 or not kept.thread.is_alive(), "nobody is served while it storms")
        assert raw.get(port).status == 200, "a new connection is not taken"
        made, tried = map(int, storm.communicate()[0].split())
    assert set(kept.done()) == {200}
    if kind in ("http", "short_queue"):
        assert raw.get(stormed).status == 200, "where the storm was nobody is served"

    def settled():
        taken, ended = counters(sidecar)
        return taken - before >= made * 0.9 and taken == ended
    processes.wait_until(settled, "what came is counted, and gone: %d, %s" % (made, counters(sidecar)))
    assert counters(sidecar)[0] - before <= tried + 10
    # Two clients at once leave a second idle connection to the origin.
    processes.wait_until(lambda: sidecar.open_descriptors() <= descriptors + 2, "descriptors are left behind")
    silent.close()
