"""Metrics and health for other hosts: listeners that can do nothing else, and where Prometheus finds them."""
import json
import threading

import pytest

import processes
import raw
from mesh import Mesh
from origin import reply


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


def test_probes_of_the_application_are_carried_out_by_the_sidecar(mesh):
    health, closed = processes.free_port(), processes.free_port()
    post = mesh.new_workload("post")
    mesh.make_token("post")
    port = post.origin.port
    probes = {
        "/app-health/post/livez": {"httpGet": {"path": "/alive?a=b", "port": port, "httpHeaders": [
            {"name": "Host", "value": "post.example"}, {"name": "X-Probe", "value": "1"}]}},
        "/app-health/post/readyz": {"tcpSocket": {"port": port}},
        "/app-health/post/startupz": {"tcpSocket": {"port": closed}},
        "/app-health/other/livez": {"httpGet": {"port": closed}},
    }
    mesh.start_sidecar(post, "--health", "0.0.0.0:%d" % health, "--app-probes", json.dumps(probes))
    post.sidecar.wait_for_port(health)

    def status(path, method="GET"):
        return raw.get(health, path, method=method, host="10.244.0.7:15021").status
    # Before there is an identity: kubelet starts the application when its own startup probe succeeds.
    assert [status(path) for path in probes] == [200, 200, 503, 503]
    [asked] = post.origin.requests[:1]
    assert (asked.path, asked.header("host"), asked.header("x-probe")) == ("/alive?a=b", ["post.example"], ["1"])
    assert asked.header("user-agent")[0].startswith("kube-probe/")
    for code, expected in (("204 No Content", 200), ("302 Found", 200), ("404 Not Found", 503), ("500 Broken", 503)):
        post.origin.answer = lambda request, sock, code=code: reply(b"", code)
        assert status("/app-health/post/livez") == expected, code
    silent = threading.Event()
    post.origin.answer = lambda request, sock: silent.wait(20) and None
    assert status("/app-health/post/livez") == 503
    silent.set()
    assert status("/app-health/post/nothing") == 404 and status("/app-health/../ready") == 404
    before = len(post.origin.requests)
    assert status("/app-health/post/livez", "POST") in (404, 405) and len(post.origin.requests) == before
    assert raw.get(post.admin, "/app-health/post/livez", host="localhost").status == 404


def test_run_passes_the_addresses_for_other_hosts_to_the_sidecar(mesh):
    metrics, health = processes.free_port(), processes.free_port()
    argv = mesh._tullectl_argv(
        mesh.binary("control-plane/cli/tullectl"), "run", "--service", "web", "--state-dir", mesh.path("run.state"),
        "--sidecar", mesh.binary("sidecar/tulle-sidecar"), "--metrics", "0.0.0.0:%d" % metrics, "--health", "0.0.0.0:%d" % health, "--", "sleep", "60")
    mesh.start(argv, "run")
    processes.wait_until(lambda: processes.listening(health) and raw.get(health, "/ready", host="web.example").status == 200, "it is ready", 30)
    assert b"tulle_build_info" in raw.get(metrics, "/metrics", host="web.example").body
