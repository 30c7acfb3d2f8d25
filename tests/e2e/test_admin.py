"""The admin port: useful, on loopback, and silent about secrets."""
import json
import os
import re
import socket

import bootstrap
import processes
import pytest
import raw

PAGES = ("/ready", "/stats/prometheus", "/config_dump", "/clusters", "/listeners", "/certs", "/logging", "/quitquitquit")


def test_pages_answer(proxy):
    assert raw.get(proxy.port).status == 200
    for page in ("/ready", "/stats/prometheus", "/config_dump", "/clusters", "/listeners", "/certs"):
        assert proxy.sidecar.admin(page).status == 200, page
    assert proxy.sidecar.admin("/nothing-here").status == 404
    json.loads(proxy.sidecar.admin("/config_dump").body)
    assert str(proxy.origin.port) in proxy.sidecar.admin("/clusters").body.decode()
    assert str(proxy.port) in proxy.sidecar.admin("/listeners").body.decode()


def test_metrics_are_prometheus_and_count_requests(proxy):
    for status in (200, 200, 200):
        assert raw.get(proxy.port).status == status
    text = proxy.sidecar.admin("/stats/prometheus").body.decode()
    typed = set(re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram|summary)$", text, re.M))
    samples = proxy.sidecar.metrics()
    for name, _ in samples:
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in typed or family in typed, "no TYPE line for " + name
    totals = [v for (name, labels), v in samples.items() if name == "istio_requests_total" and ("response_code", "200") in labels]
    assert sum(totals) == 3, {k: v for k, v in samples.items() if "requests" in k[0]}


def test_histograms_are_cumulative(proxy):
    raw.get(proxy.port)
    groups = {}
    for (name, labels), value in proxy.sidecar.metrics().items():
        if name.endswith("_bucket"):
            bound = dict(labels)["le"]
            rest = frozenset(label for label in labels if label[0] != "le")
            groups.setdefault((name, rest), []).append((float(bound.replace("+Inf", "inf")), value))
    assert groups, "no histogram"
    for key, buckets in groups.items():
        values = [v for _, v in sorted(buckets)]
        assert values == sorted(values), key
        assert sorted(buckets)[-1][0] == float("inf")


def test_series_that_do_not_change_end_and_begin_again(run_sidecar, origin):
    port = processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(ports=[origin.port])],
                          "--workers", "2", "--series-expiry", "2", "--label", "app=shop")

    def counted():
        return {name: value for (name, _), value in sidecar.metrics().items() if name in ("istio_requests_total", "http_requests_total")}
    for _ in range(2):
        for _ in range(8):  # on both workers
            assert raw.get(port).status == 200
        processes.wait_until(lambda: not counted(), "the series have ended", 20)
        assert "istio_request_duration_milliseconds_bucket" not in {name for name, _ in sidecar.metrics()}
        assert "tulle_build_info" in {name for name, _ in sidecar.metrics()}
    assert raw.get(port).status == 200
    assert counted() == {"istio_requests_total": 1, "http_requests_total": 1}
    assert all(("source_app", "shop") in labels or ("destination_app", "shop") in labels
               for name, labels in sidecar.metrics() if name == "istio_requests_total")


@pytest.mark.parametrize("page", ["/quitquitquit", "/logging?level=debug", "/drain_listeners", "/healthcheck/fail", "/reset_counters"])
def test_fault_84_a_get_changes_nothing(proxy, page):
    status = proxy.sidecar.admin(page).status
    assert status in (400, 403, 404, 405), "GET %s gave %d" % (page, status)
    assert raw.get(proxy.port).status == 200 and proxy.sidecar.running()


def test_fault_84_no_secret_in_any_page(run_sidecar, authority, origin):
    identity = authority.issue("server", ["spiffe://cluster.local/ns/default/sa/server"])
    port = processes.free_port()
    sidecar = run_sidecar(
        [bootstrap.listener(port, bootstrap.connection_manager(), tls=bootstrap.downstream_tls(identity))],
        [bootstrap.cluster(ports=[origin.port], tls=bootstrap.upstream_tls(identity))])
    with open(identity.key_path, encoding="ascii") as file:
        key_lines = [line for line in file.read().splitlines() if not line.startswith("-")]
    for page in PAGES[:-1]:
        text = sidecar.admin(page).body.decode("latin-1")
        assert "PRIVATE KEY" not in text and not any(line in text for line in key_lines), page
    assert not any(line in sidecar.log() for line in key_lines)
    assert "spiffe://cluster.local/ns/default/sa/server" in sidecar.admin("/certs").body.decode()


def test_fault_84_admin_is_on_loopback_only(proxy):
    """Whatever the sidecar listens on for the admin port is a loopback address."""
    inodes = set()
    for entry in os.listdir("/proc/%d/fd" % proxy.sidecar.pid):
        try:
            link = os.readlink("/proc/%d/fd/%s" % (proxy.sidecar.pid, entry))
        except OSError:
            continue
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    mine = [row[1] for row in rows if row[3] == "0A" and row[9] in inodes and int(row[1].split(":")[1], 16) == proxy.sidecar.admin_port]
    assert mine and all(local.startswith("0100007F:") for local in mine), mine


def test_fault_84_a_page_of_a_browser_cannot_reach_it(proxy):
    """DNS rebinding: a foreign Host or Origin does not get a change through."""
    with raw.Raw(proxy.sidecar.admin_port) as client:
        client.send(b"POST /quitquitquit HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n")
        try:
            assert client.response().status in (400, 403, 404, 421)
        except (EOFError, socket.error):
            pass
    assert proxy.sidecar.running() and raw.get(proxy.port).status == 200


def test_quitquitquit_ends_it(proxy):
    assert proxy.sidecar.admin("/quitquitquit", method="POST").status == 200
    proxy.sidecar.expected_to_end = True
    assert proxy.sidecar.process.wait(10) == 0


def test_logging_level_is_changed_by_post(proxy):
    assert proxy.sidecar.admin("/logging?level=debug", method="POST").status == 200
    assert proxy.sidecar.admin("/logging?level=nonsense", method="POST").status == 400
