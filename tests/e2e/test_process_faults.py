"""What happens to the process itself: signals that mean nothing, disks that are full, a sudden end."""
import signal
import time

import bootstrap
import processes
import raw

METRIC = "tulle_access_log_dropped_lines_total"


def start(run_sidecar, origin, port, **options):
    return run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1", **options))], [bootstrap.cluster(ports=[origin.port])])


def test_fault_58_a_full_disk_loses_log_lines_and_no_request(run_sidecar, origin):
    port = processes.free_port()
    full = {"name": "envoy.access_loggers.file", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/full"}}
    sidecar = start(run_sidecar, origin, port, access_log=[full])
    for _ in range(20):
        assert raw.get(port).status == 200

    def dropped():
        return sum(value for (name, _), value in sidecar.metrics().items() if name == METRIC)
    processes.wait_until(lambda: dropped() >= 20, "lost lines are counted")
    assert raw.get(port).status == 200


def test_fault_71_after_a_sudden_end_another_takes_the_same_ports(run_sidecar, origin):
    port = processes.free_port()
    for _ in range(3):
        sidecar = start(run_sidecar, origin, port)
        assert raw.get(port).status == 200
        sidecar.expected_to_end = True
        sidecar.process.kill()
        sidecar.process.wait()
    sidecar = start(run_sidecar, origin, port)
    assert raw.get(port).status == 200


def test_fault_72_stray_signals_change_nothing(run_sidecar, origin):
    port = processes.free_port()
    sidecar = start(run_sidecar, origin, port)
    with raw.Raw(port) as client:
        for stray in (signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG):
            sidecar.process.send_signal(stray)
            time.sleep(0.02)
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert client.response().status == 200, stray
    assert sidecar.running()
