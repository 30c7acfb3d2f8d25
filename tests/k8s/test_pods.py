"""The life of a meshed pod under STRICT: its start, its probes, its restarts and its end."""
import json
import time

import pytest

from meshed import Mesh, STRICT
from processes import wait_until
from workloads import container, deployment, load_python, pod, python, service

NS = "shop"


def probe(**handler):
    """All three; a pod whose startup probe fails stays so."""
    return {kind + "Probe": {**handler, "periodSeconds": 1, "failureThreshold": 60} for kind in ("startup", "readiness", "liveness")}


PROBES = {
    "http": python("app", "web", 8080, **probe(httpGet={"path": "/health?full=1", "port": 8080})),
    "named": python("app", "web", 8080, ports=[{"name": "web", "containerPort": 8080}], **probe(httpGet={"path": "/", "port": "web"})),
    "tcp": python("app", "web", 8080, **probe(tcpSocket={"port": 8080})),
    "grpc": python("app", "grpc_health", 8080, **probe(grpc={"port": 8080})),
    "exec": python("app", "web", 8080, **probe(exec={"command": ["curl", "-sf", "http://localhost:8080/"]})),
}
DEAD = {kind: python("app", "web", 8080, **probe(**{handler: {"port": 8081}}))
        for kind, handler in (("http", "httpGet"), ("tcp", "tcpSocket"), ("grpc", "grpc"))}


def job(name, script, **spec):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": NS},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never", "containers": [container("job", "sh", "-c", script)], **spec}}}}


class Pods:
    """The mesh, and what the tests do to pods of it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.mesh = Mesh(cluster)
        load_python(cluster)
        self.mesh.namespace(NS)
        self.mesh.policies(STRICT)
        web = python("web", "web", 8080, readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1})
        self.inject(deployment(NS, "web", 1, web), service(NS, "web", (80, 8080)))
        self.inject(pod(NS, "client", python("web", "web", 8080)))
        self.wait_for("condition=Available", "deployment/web")
        self.wait_for("condition=Ready", "pod/client")

    def inject(self, *objects):
        self.mesh.inject(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def wait_for(self, condition, *target):
        self.cluster.wait_for(condition, "-n", NS, *target)

    def get(self, name):
        return self.cluster.get("-n", NS, "pod", name)

    def call(self, url):
        done = self.cluster.try_kubectl("-n", NS, "exec", "client", "-c", "web", "--", "curl", "-sS", "-f", "-m", "10", url)
        return done.stdout + done.stderr

    def is_called(self, name):
        return self.call("http://%s.%s/" % (name, NS)).endswith("8080 127.0.0.6\n")

    def kill(self, name, container_name):
        """As a crash does it; waits until kubelet has started the container again."""
        def state():
            status = self.get(name)["status"]
            return next(one for one in status["containerStatuses"] + status["initContainerStatuses"] if one["name"] == container_name)
        former = state()
        done = self.cluster.nodes[0].ctr("tasks", "kill", "-s", "SIGKILL", former["containerID"].removeprefix("containerd://"))
        assert done.returncode == 0, done.stderr
        wait_until(lambda: state()["restartCount"] > former["restartCount"] and state()["ready"], "it is started again", 60)


@pytest.fixture(scope="module")
def pods(cluster):
    return Pods(cluster)


def test_probes_reach_the_application(pods):
    pods.inject(*[pod(NS, "probe-" + name, app) for name, app in PROBES.items()],
                *[pod(NS, "dead-" + name, app) for name, app in DEAD.items()])
    pods.wait_for("condition=Ready", *["pod/probe-" + name for name in PROBES])

    def unhealthy():
        events = pods.cluster.get("-n", NS, "events", "--field-selector", "reason=Unhealthy")["items"]
        return {event["involvedObject"]["name"] for event in events if "Startup" in event["message"]}
    wait_until(lambda: unhealthy() >= {"dead-" + name for name in DEAD}, "probes of dead ports fail", 60)
    for name in DEAD:
        status = pods.get("dead-" + name)["status"]["containerStatuses"][0]
        assert (status["ready"], status["started"]) == (False, False), status
    assert all(pods.get("probe-" + name)["status"]["containerStatuses"][0]["restartCount"] == 0 for name in PROBES)
    pods.cluster.kubectl("-n", NS, "delete", "pod", "--now", "--wait=false", *["probe-" + name for name in PROBES],
                         *["dead-" + name for name in DEAD])


def ended(pods, name):
    """(the pod's phase, seconds from the application's end to that of the pod)"""
    pods.wait_for("jsonpath={.status.ready}=0", "job/" + name)
    one = pods.cluster.get("-n", NS, "pods", "-l", "job-name=" + name)["items"][0]["status"]
    ends = [status["state"]["terminated"]["finishedAt"] for status in one["containerStatuses"] + one["initContainerStatuses"]]
    application, last = ends[0], max(ends)
    seconds = [time.mktime(time.strptime(each, "%Y-%m-%dT%H:%M:%SZ")) for each in (application, last)]
    return one["phase"], seconds[1] - seconds[0]


def test_jobs_call_at_once_and_end(pods):
    call = "curl -sS -f http://web.%s/" % NS
    pods.inject(job("good", call), job("bad", call + " && exit 3"),
                job("prepared", "true", initContainers=[container("first", "sh", "-c", call)]))
    pods.wait_for("condition=Complete", "job/good", "job/prepared")
    pods.wait_for("condition=Failed", "job/bad")
    for name, phase in (("good", "Succeeded"), ("prepared", "Succeeded"), ("bad", "Failed")):
        seen, late = ended(pods, name)
        print("job %s: %s, the pod ended %d s after its application" % (name, seen, late))
        assert seen == phase
        assert late < 10


def test_a_container_that_crashed_is_called_again(pods):
    pods.inject(pod(NS, "crash", python("web", "web", 8080)), service(NS, "crash", (80, 8080)))
    pods.wait_for("condition=Ready", "pod/crash")
    uid = pods.get("crash")["metadata"]["uid"]
    for name in ("web", "tulle-sidecar"):
        wait_until(lambda: pods.is_called("crash"), "the pod is called")
        pods.kill("crash", name)
        wait_until(lambda: pods.is_called("crash"), "the pod is called after %s was killed" % name)
        wait_until(lambda: "8080" in pods.cluster.kubectl(
            "-n", NS, "exec", "crash", "-c", "web", "--", "curl", "-sS", "-f", "http://web.%s/" % NS), "it calls")
    assert pods.get("crash")["metadata"]["uid"] == uid


def test_a_short_grace_period_is_kept(pods):
    stubborn = container("app", "sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    pods.inject(pod(NS, "short", stubborn, terminationGracePeriodSeconds=2))
    pods.wait_for("condition=Ready", "pod/short")
    start = time.monotonic()
    pods.cluster.kubectl("-n", NS, "delete", "pod", "short", "--timeout=25s")  # The default would be 30 s.
    print("a pod with a grace period of 2 s was gone after %.1f s" % (time.monotonic() - start))


def test_a_namespace_that_is_deleted_may_come_again(pods):
    for _ in range(2):
        pods.mesh.namespace("passing")
        pods.inject(pod("passing", "web", python("web", "web", 8080)), service("passing", "web", (80, 8080)))
        pods.cluster.wait_for("condition=Ready", "-n", "passing", "pod/web")
        wait_until(lambda: pods.call("http://web.passing/").endswith("8080 127.0.0.6\n"), "the pod is called")
        address = pods.cluster.get("-n", "passing", "service", "web")["spec"]["clusterIP"]
        pods.cluster.kubectl("delete", "namespace", "passing")
        assert "curl: " in pods.call("http://%s/" % address)
    assert "passing" not in pods.mesh.tullectl("services", "-A")
