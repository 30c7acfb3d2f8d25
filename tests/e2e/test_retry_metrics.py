"""Retries and what became of them are metrics."""
import pytest

import bootstrap
import processes
import raw


@pytest.mark.parametrize("max_retries,result,retries", [(10, "limit", 2), (0, "budget", 0)])
def test_retries_and_refused_retries_are_counted(run_sidecar, max_retries, result, retries):
    port, nobody = processes.free_port(), processes.free_port()
    route = bootstrap.route(retry_policy={"retry_on": "connect-failure", "num_retries": 2})
    limits = {"circuit_breakers": {"thresholds": [{"max_retries": max_retries}]}}
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager([route]))], [bootstrap.cluster(ports=[nobody], **limits)])
    assert raw.get(port, "/").status == 503
    seen = {(name, dict(labels).get("result")): value for (name, labels), value in sidecar.metrics().items() if dict(labels).get("service") == "origin"}
    assert seen[("tulle_retried_requests_total", result)] == 1, seen
    assert seen.get(("tulle_retries_total", None), 0) == retries, seen
