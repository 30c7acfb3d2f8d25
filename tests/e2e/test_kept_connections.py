"""Kept-alive connections that the upstream closes: nothing is lost that need not be, and nothing is done twice.

The figures: python3 -m pytest -s tests/e2e/test_kept_connections.py
"""
import collections
import json
import os
import subprocess

import bootstrap
import processes

REQUESTS = int(os.environ.get("KEPT_REQUESTS", "100000"))
CONNECTIONS = 16


def load(upstream, port, method, mode, requests=REQUESTS):
    binary = processes.binary("tests/e2e/kept_connections")
    assert binary, "not built: bazel build //tests/e2e:kept_connections"
    done = subprocess.run([binary, str(upstream), str(port), method, str(requests), str(CONNECTIONS), mode],
                          capture_output=True, text=True, timeout=300, check=True)
    figures = json.loads(done.stdout)
    print(method, mode, figures)
    return figures


def logged(log, code="503"):
    """How many requests ended so, by their flag."""
    with open(log, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return collections.Counter(flag for status, flag in lines if status == code)


def start(run_sidecar, tmp_path, ports=None, **more):
    port, upstream = processes.free_port(), ports or [processes.free_port()]
    log = str(tmp_path / ("access-%d.log" % port))
    manager = bootstrap.connection_manager(codec="HTTP1", access_log=[{"name": "log", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.access_loggers.file.v3.FileAccessLog", "path": log,
        "log_format": {"text_format_source": {"inline_string": "%RESPONSE_CODE% %RESPONSE_FLAGS%\n"}}}}])
    # No retry policy: what is sent again here needs none, and no breaker that hides it.
    sidecar = run_sidecar([bootstrap.listener(port, manager, tls=more.get("downstream"))],
                          [bootstrap.cluster(ports=upstream, tls=more.get("upstream"))])
    return port, upstream[0], log, sidecar


def check_posts(figures, failed):
    """By a FIN none is lost. A request that came after the upstream's last look at the connection is answered by its kernel with an RST,
    which proves nothing: those few are told to the caller."""
    assert figures["twice"] == 0
    assert figures["failures"] == sum(failed.values())
    assert failed["UC"] <= figures["requests"] / 10000
    assert failed["UR"] <= max(2, figures["ended"] / 10), (figures, failed)


def wait_for_log(log, count):
    def written():
        with open(log, encoding="utf-8") as file:
            return sum(1 for _ in file) >= count
    processes.wait_until(written, "all of the access log")


def test_fault_49_idempotent_requests_survive_every_close(run_sidecar, tmp_path):
    port, upstream, _, _ = start(run_sidecar, tmp_path)
    figures = load(upstream, port, "GET", "close")
    assert figures["ended"] > figures["requests"] / 1000
    assert figures["failures"] == 0


def test_fault_49_a_post_is_sent_again_only_if_nobody_has_read_it(run_sidecar, tmp_path):
    port, upstream, log, _ = start(run_sidecar, tmp_path)
    figures = load(upstream, port, "POST", "close")
    assert figures["ended"] > figures["requests"] / 1000
    wait_for_log(log, REQUESTS)
    check_posts(figures, logged(log))


def test_fault_49_a_post_that_was_read_and_then_reset_is_never_sent_again(run_sidecar, tmp_path):
    port, upstream, _, _ = start(run_sidecar, tmp_path)
    figures = load(upstream, port, "POST", "reset", REQUESTS // 4)
    assert figures["ended"] > figures["requests"] / 40
    assert figures["twice"] == 0
    assert figures["failures"] == figures["ended"]  # each is told, none is hidden


def test_fault_49_through_two_sidecars_with_tls(run_sidecar, tmp_path, authority):
    """The same to the second sidecar: it closes its connections with close_notify and FIN, after a request now and then."""
    server, client = (authority.issue(name, ["spiffe://cluster.local/ns/default/sa/" + name]) for name in ("server", "client"))
    far, upstream, far_log, _ = start(run_sidecar, tmp_path, downstream=bootstrap.downstream_tls(server))
    near, _, _, _ = start(run_sidecar, tmp_path, [far], upstream=bootstrap.upstream_tls(client))
    figures = load(upstream, near, "POST", "close", REQUESTS // 2)
    wait_for_log(far_log, REQUESTS // 2)
    check_posts(figures, logged(far_log))
