"""SIGTERM: who calls is told to go elsewhere, what is under way ends, and the application may still call others."""
import http.client
import signal
import threading
import time

import bootstrap
import processes
import pytest
import raw
from origin import reply


def lister(port, name, direction, cluster):
    return bootstrap.listener(port, bootstrap.connection_manager([bootstrap.route(cluster)]), name=name, traffic_direction=direction)


def is_open(port):
    """Whether somebody listens there, found without connecting: that would count as a caller."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return any(row[1].endswith(":%04X" % port) and row[3] == "0A" for row in rows)


class Ends:
    """A sidecar with an inbound and an outbound listener, the application and another service behind them."""

    def __init__(self, run_sidecar, make_origin, slow, *arguments):
        def answer(request, _):
            if request.path == "/slow":
                time.sleep(slow)
            return reply(b"ok\n")

        self.application, self.other = make_origin(answer), make_origin(answer)
        self.inbound, self.outbound = processes.free_port(), processes.free_port()
        self.sidecar = run_sidecar(
            [lister(self.inbound, "in", "INBOUND", "application"), lister(self.outbound, "out", "OUTBOUND", "other")],
            [bootstrap.cluster("application", [self.application.port]), bootstrap.cluster("other", [self.other.port])], *arguments)
        self.sidecar.expected_to_end = True

    def terminate(self):
        self.sidecar.process.send_signal(signal.SIGTERM)
        processes.wait_until(lambda: "draining" in self.sidecar.log(), "it drains")

    def wait(self, seconds=20):
        return self.sidecar.process.wait(seconds)


class Callers:
    """Threads that call over kept-alive connections, and no more once they are told not to begin anew."""

    def __init__(self, port, count):
        self.failures = []
        self.served = 0
        self.told_to_close = 0
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._call, args=(port,)) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _call(self, port):
        while not self.stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                while not self.stop.is_set():
                    connection.request("POST", "/", body=b"x" * 100)
                    answer = connection.getresponse()
                    answer.read()
                    with self.lock:
                        self.served += 1
                        if answer.status != 200:
                            self.failures.append(answer.status)
                    if answer.getheader("connection") == "close":
                        self.told_to_close += 1
                        break
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                connection.close()

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_fault_70_sigterm_under_load_loses_no_request(run_sidecar, make_origin):
    ends = Ends(run_sidecar, make_origin, 2, "--drain-quiet-ms", "1000")
    callers = Callers(ends.inbound, 8)
    processes.wait_until(lambda: callers.served > 200, "requests are served")
    slow = []
    waiting = threading.Thread(target=lambda: slow.append(raw.get(ends.inbound, "/slow").status))
    waiting.start()
    processes.wait_until(lambda: "/slow" in ends.application.paths(), "the slow request is under way")
    ends.terminate()
    before = callers.served
    # New connections are still taken, and every answer sends its caller elsewhere.
    processes.wait_until(lambda: callers.told_to_close >= 8 and callers.served > before + 50, "callers are told")
    callers.join()
    waiting.join()
    assert ends.wait() == 0
    assert callers.failures == [] and slow == [200]


def test_fault_70_the_application_may_still_call_while_its_last_requests_end(run_sidecar, make_origin):
    ends = Ends(run_sidecar, make_origin, 2, "--drain-quiet-ms", "500")
    slow = []
    waiting = threading.Thread(target=lambda: slow.append(raw.get(ends.inbound, "/slow").status))
    waiting.start()
    processes.wait_until(lambda: "/slow" in ends.application.paths(), "the slow request is under way")
    ends.terminate()
    processes.wait_until(lambda: not is_open(ends.inbound), "the inbound listener closes")
    assert waiting.is_alive()
    assert raw.get(ends.outbound, "/last words").status == 400  # a blank in a path
    assert raw.get(ends.outbound, "/last-words").status == 200
    waiting.join()
    assert slow == [200] and ends.wait() == 0


def test_fault_70_the_grace_period_ends_what_does_not_end(run_sidecar, make_origin):
    ends = Ends(run_sidecar, make_origin, 60, "--drain-quiet-ms", "0", "--drain-time", "1")
    with raw.Raw(ends.inbound) as client:
        client.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        processes.wait_until(lambda: "/slow" in ends.application.paths(), "the slow request is under way")
        ends.terminate()
        assert ends.wait() == 0


def test_a_second_signal_ends_at_once(run_sidecar, make_origin):
    ends = Ends(run_sidecar, make_origin, 60, "--drain-quiet-ms", "60000")
    ends.terminate()
    assert ends.sidecar.running()
    assert ends.sidecar.admin("/ready").status == 503
    ends.sidecar.process.send_signal(signal.SIGTERM)
    assert ends.wait() == 0


def test_fault_70_sigterm_ends_what_is_drained_already(run_sidecar, make_origin):
    """As a preStop hook does it."""
    ends = Ends(run_sidecar, make_origin, 0, "--drain-quiet-ms", "0")
    assert ends.sidecar.admin("/drain_listeners", method="POST").status == 200
    processes.wait_until(lambda: not is_open(ends.inbound), "the inbound listener closes")
    assert ends.sidecar.running()
    ends.sidecar.process.send_signal(signal.SIGTERM)
    assert ends.wait() == 0


class Prober:
    """Health checks every 100 ms, each over a connection of its own, for as long as something listens."""

    def __init__(self, port, request):
        self.port, self.request = port, request
        self.count = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._probe)
        self.thread.start()

    def _probe(self):
        while not self.stop.wait(0.1):
            try:
                with raw.Raw(self.port) as client:
                    if self.request:
                        client.send(self.request)
                        client.closed()
                self.count += 1
            except OSError:
                pass

    def join(self):
        self.stop.set()
        self.thread.join()


@pytest.mark.parametrize("request_head", [
    b"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: kube-probe/1.34\r\nconnection: close\r\n\r\n", b""], ids=["http", "tcp"])
def test_health_checks_do_not_prolong_the_drain(run_sidecar, make_origin, request_head):
    ends = Ends(run_sidecar, make_origin, 0, "--drain-quiet-ms", "1000", "--drain-time", "600")
    prober = Prober(ends.inbound, request_head)
    try:
        processes.wait_until(lambda: prober.count > 2, "it is probed")
        ends.terminate()
        assert ends.wait() == 0
    finally:
        prober.join()
