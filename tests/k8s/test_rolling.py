"""Pods come and go under 200 requests a second, and no request fails: rolling updates, scaling, deletion, eviction, drained nodes.

Two applications are tried. One ends gracefully on SIGTERM and has no hook: it closes kept connections while requests are on their
way, so that it is only asked what may be asked twice. The other ends at once, after a hook, and is sent POST too. One that ends at
once without a hook loses what it has begun, with any mesh: about one request for each pod here."""
import json
import time

import pytest

from meshed import Mesh
from processes import wait_until
from workloads import Load, deployment, load_python, pod, python, service

RATE = 200
NS = "shop"
HOOK = {"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
APPS = {"graceful": (["--end", "gracefully"], {}, ["GET"]), "hooked": (["--end", "now"], HOOK, ["GET", "POST"])}


class Shop:
    """A Deployment `web` of three replicas, and a pod that calls it all the time."""

    def __init__(self, cluster, mesh, name, arguments, more, methods):
        self.cluster = cluster
        self.mesh = mesh
        self.name = name
        self._arguments = arguments
        self._more = more
        self.put(version="1")
        load = "load-" + name
        mesh.inject(json.dumps({"apiVersion": "v1", "kind": "List", "items": [
            # Named, so that a caller that says nothing for a second is not taken for one of another protocol.
            service(NS, name, ports=[{"name": "http", "port": 80, "targetPort": 8080}]),
            # It stays where it is when the second node is drained.
            pod(NS, load, python("load", "load", "http://%s/" % name, RATE, *methods), nodeName="node1")]}))
        self.settled()
        cluster.wait_for("condition=Ready", "-n", NS, "pod/" + load)
        self.load = Load(cluster, NS, load)
        self.served()
        self.load.take()
        one = self.pods()[0]["metadata"]["name"]
        wait_until(lambda: any('connection_security_policy="mutual_tls"' in line for line in mesh.metrics(NS, one)),
                   "requests come by the mesh")

    def put(self, version, replicas=3):
        app = python("web", "web", 8080, "--delay", "0.01", *self._arguments, env=[{"name": "VERSION", "value": version}],
                     readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}, **self._more)
        self.mesh.inject(json.dumps(deployment(NS, self.name, replicas, app)))

    def settled(self):
        """Whether all pods are new and ready, and none is ending."""
        self.cluster.kubectl("-n", NS, "rollout", "status", "deployment/" + self.name, "--timeout=90s")
        wait_until(lambda: not any("deletionTimestamp" in one["metadata"] for one in self.pods()), "no pod is ending", 90)

    def pods(self):
        return self.cluster.get("-n", NS, "pods", "-l", "app=" + self.name)["items"]

    def served(self):
        """Waits until it was called again."""
        wait_until(lambda: self.load.take()["requests"] > 0, "requests are answered")

    def check(self, what):
        # What was asked last has been answered by now, or has failed.
        time.sleep(1)
        figures = self.load.take()
        print("%s, %s: %d requests, %d failed, slowest %.0f ms" % (
            what, self.name, figures["requests"], len(figures["failures"]), figures["slowest"] * 1000))
        assert figures["requests"] > RATE
        assert figures["failures"] == [], self.load.sidecar_log()


@pytest.fixture(scope="module")
def meshed(cluster):
    mesh = Mesh(cluster)
    cluster.add_node("zone-1")
    load_python(cluster)
    mesh.namespace(NS)
    return mesh


@pytest.fixture(scope="module", params=sorted(APPS))
def shop(request, cluster, meshed):
    made = Shop(cluster, meshed, request.param, *APPS[request.param])
    yield made
    cluster.kubectl("-n", NS, "delete", "deployment/" + made.name, "pod/load-" + made.name, "--now")


def test_a_rolling_update(shop):
    shop.put(version="2")
    shop.settled()
    shop.check("rolling update of 3 pods")


def test_scaling_up_and_down(shop):
    shop.put(version="2", replicas=6)
    shop.settled()
    shop.put(version="2", replicas=2)
    shop.settled()
    shop.put(version="2")
    shop.settled()
    shop.check("scaling from 3 to 6 to 2 to 3 pods")


def test_a_deleted_pod(shop):
    shop.cluster.kubectl("-n", NS, "delete", "pod", shop.pods()[0]["metadata"]["name"])
    shop.settled()
    shop.check("deletion of a pod")


def test_an_evicted_pod(shop):
    name = shop.pods()[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NS}}
    shop.cluster.kubectl("create", "--raw", "/api/v1/namespaces/%s/pods/%s/eviction" % (NS, name), "-f", "-",
                         stdin=json.dumps(eviction))
    wait_until(lambda: name not in [one["metadata"]["name"] for one in shop.pods()], "the pod is gone", 60)
    shop.settled()
    shop.check("eviction of a pod")


def test_a_drained_node(shop):
    node = shop.cluster.nodes[1].name
    wait_until(lambda: node in [one["spec"]["nodeName"] for one in shop.pods()], "a pod is on the second node")
    shop.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    shop.settled()
    assert node not in [one["spec"]["nodeName"] for one in shop.pods()]
    shop.cluster.kubectl("uncordon", node)
    shop.check("drain of a node")


def test_a_killed_control_plane(shop):
    """Pods go on without it; the one that starts again in its place serves those that come. A rollout that ends before sidecars
    have found the new one may leave them with no pod that they know (docs/kubernetes.md), and is not tried."""
    def status():
        return shop.cluster.get("-n", "tulle-system", "pods", "-l", "app=tulle-control")["items"][0]["status"]
    former = status()["containerStatuses"][0]
    sidecars = shop.mesh.control_metric("tulle_control_proxies_connected")
    node = next(node for node in shop.cluster.nodes if node.address == status()["hostIP"])
    done = node.ctr("tasks", "kill", "-s", "SIGKILL", former["containerID"].removeprefix("containerd://"))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: status()["containerStatuses"][0]["restartCount"] > former["restartCount"], "it is started again", 60)
    wait_until(lambda: (shop.mesh.control_metric("tulle_control_proxies_connected") or 0) >= sidecars, "sidecars are connected", 60)
    shop.put(version="3")
    shop.settled()
    shop.check("kill of the control plane, then a rolling update")
