"""Metrics and health for other hosts: listeners that can do nothing else, and where Prometheus finds them."""
import json

import pytest

import processes
import raw
from mesh import Mesh


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def test_metrics_and_health_are_read_and_nothing_else(mesh):
    metrics, health = processes.free_port(), processes.free_port()
    post = mesh.new_workload("post")
    mesh.make_token("post")
    mesh.start_sidecar(post, "--metrics", "0.0.0.0:%d" % metrics, "--health", "0.0.0.0:%d" % health)
    post.instance = mesh.wait_in_step(post)
    processes.wait_until(lambda: raw.get(health, "/ready", host="post.example").status == 200, "it is ready")
    for path in ("/metrics", "/stats/prometheus"):
        answer = raw.get(metrics, path, host="post.example")
        assert answer.status == 200 and b"tulle_build_info" in answer.body
    everything = ["/certs", "/clusters", "/config_dump", "/drain_listeners", "/leave", "/listeners", "/logging", "/quitquitquit", "/server_info"]
    for port, own in ((metrics, ["/metrics", "/stats/prometheus", "/stats"]), (health, ["/ready", "/healthz/ready"])):
        for path in set(everything + ["/metrics", "/stats/prometheus", "/stats", "/ready", "/healthz/ready"]) - set(own):
            for method in ("GET", "POST"):
                assert raw.get(port, path, method=method, host="post.example").status in (404, 405), (port, method, path)
    assert post.sidecar.running()

    def targets():
        return json.loads(raw.get(mesh.health, "/prometheus/targets", host="localhost").body)
    web = mesh.add("web")  # serves no metrics to others
    assert web.instance not in json.dumps(targets())
    [target] = targets()
    assert target["targets"] == ["127.0.0.1:%d" % metrics]
    assert target["labels"] == {"instance_id": post.instance, "namespace": "default", "service": "post", "spiffe_id": "spiffe://cluster.local/ns/default/sa/post"}


def test_health_is_red_until_there_are_identity_and_listeners(mesh):
    health = processes.free_port()
    post = mesh.new_workload("post")
    mesh.make_token("post")
    mesh.kill_control()
    mesh.start_sidecar(post, "--health", "0.0.0.0:%d" % health)
    post.sidecar.wait_for_port(health)
    answer = raw.get(health, "/healthz/ready", host="10.244.0.7:15021")  # as kubelet calls it
    assert (answer.status, answer.body) == (503, b"PRE_INITIALIZING\n")
    mesh.start_control()
    processes.wait_until(lambda: raw.get(health, "/healthz/ready").status == 200, "it is ready")
    assert raw.get(post.inbound).status == 200
