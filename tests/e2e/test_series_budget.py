"""Whatever callers invent, the series of a sidecar stay within their budget, and those of others stay right."""
import collections
import itertools
import socket

import bootstrap
import processes
import raw

REQUESTS = 100_000
AT_ONCE = 500
SHARE = 500  # of the series of one metric, for those who call one service
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "INVENTED")
STATUSES = [status for status in range(200, 600) if status not in (204, 304)]
MOST_GROWTH_MIB = 4


def answers():
    """A route for each status, without an upstream."""
    return [{"match": {"prefix": "/%d/" % status}, "direct_response": {"status": status}} for status in STATUSES]


def ask(sock, count, numbers):
    """Requests that differ in everything that a caller decides, each batch at once. Returns how many got which class of status."""
    classes = collections.Counter()
    for begin in range(0, count, AT_ONCE):
        batch = [next(numbers) for _ in range(min(AT_ONCE, count - begin))]
        sock.sendall(b"".join(
            b"%s /%d/%d HTTP/1.1\r\nHost: h%d.example\r\nUser-Agent: a%d\r\nx-request-id: r%d\r\nContent-Length: 0\r\n\r\n"
            % (METHODS[i % len(METHODS)].encode(), STATUSES[i % len(STATUSES)], i, i, i, i) for i in batch))
        held, seen = b"", 0
        while seen < len(batch):
            part = sock.recv(1 << 16)
            assert part, "the sidecar closed the connection"
            lines = (held + part).split(b"\r\n")
            held = lines.pop()
            for line in lines:
                if line.startswith(b"HTTP/1.1 "):
                    seen += 1
                    classes[line[9:10].decode() + "xx"] += 1
    return classes


def test_fault_85_hosts_paths_methods_and_statuses(run_sidecar, origin):
    port, honest = processes.free_port(), 50
    routes = [*answers(), bootstrap.route()]
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(routes, codec="HTTP1"))],
                          [bootstrap.cluster(ports=[origin.port])], "--workers", "1")
    numbers = itertools.count()
    for _ in range(honest):
        assert raw.get(port, "/").status == 200
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        classes = ask(sock, REQUESTS // 5, numbers)
        warm = sidecar.memory_mib()
        classes += ask(sock, REQUESTS * 4 // 5, numbers)
        grown = sidecar.memory_mib() - warm
    assert raw.get(port, "/nowhere").status == 200  # a series that is there
    assert sum(classes.values()) == REQUESTS
    assert grown <= MOST_GROWTH_MIB, "%.1f MiB more" % grown

    samples = sidecar.metrics()
    families = collections.Counter(name for name, _ in samples)
    requests = {labels: value for (name, labels), value in samples.items() if name == "istio_requests_total"}
    rows = [dict(labels) for labels in requests]
    assert sum(requests.values()) == REQUESTS + honest + 1
    assert len([row for row in rows if row["destination_service"] == "unknown"]) <= SHARE
    assert [value for labels, value in requests.items() if ("destination_service", "origin") in labels] == [honest + 1]
    others = {dict(labels)["response_code"]: value for labels, value in requests.items() if ("destination_service", "other") in labels}
    assert set(others) == {"2xx", "3xx", "4xx", "5xx"}
    assert sum(others.values()) == REQUESTS - sum(value for labels, value in requests.items() if ("destination_service", "unknown") in labels)
    assert sum(others.values()) > REQUESTS // 5
    by_class = collections.Counter()
    for labels, value in requests.items():
        if ("destination_service", "origin") not in labels:
            by_class[dict(labels)["response_code"][0] + "xx"] += value
    assert by_class == classes, "each is known to have failed or not"
    plain = {labels: value for (name, labels), value in samples.items() if name == "http_requests_total"}
    assert sum(plain.values()) == REQUESTS + honest + 1
    assert [value for labels, value in plain.items() if ("service", "origin") in labels] == [honest + 1]
    assert len([labels for labels in plain if ("service", "unknown") in labels]) == SHARE
    assert len(plain) == SHARE + len(others) + 1
    print("series by metric:", families.most_common(5), "MiB more: %.1f" % grown)
