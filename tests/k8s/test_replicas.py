"""Two replicas of the control plane: pods get certificates from either and believe each other, a replica that is killed under load
costs no request, and what replicas do not share cannot be changed."""
import json

import pytest

from meshed import Mesh
from processes import wait_until
from workloads import Load, deployment, load_python, pod, python, service

NS = "shop"
RATE = 100
STRICT = """
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: web, namespace: shop}
spec: {targetRef: {kind: Service, name: web}, mode: STRICT}
"""
# The Lease of a leader that was killed lasts 15 s, and others ask every 2 to 4 s.
TAKEOVER = 60


class Replicas:
    def __init__(self, mesh):
        self.mesh = mesh
        self.cluster = mesh.cluster

    def pods(self):
        items = self.cluster.get("-n", "tulle-system", "pods", "-l", "app=tulle-control")["items"]
        return [each for each in items if "deletionTimestamp" not in each["metadata"]]

    def scale(self, count):
        self.cluster.kubectl("-n", "tulle-system", "scale", "deployment/tulle-control", "--replicas=%d" % count)
        self.settled(count)

    def settled(self, count):
        def ready():
            pods = self.pods()
            return len(pods) == count and all(
                each["status"].get("containerStatuses") and each["status"]["containerStatuses"][0]["ready"] for each in pods)
        wait_until(ready, "there are not %d replicas" % count, 60)

    def metric(self, name):
        """{pod: value}"""
        found = {}
        for each in self.pods():
            lines = self.mesh.curl("http://%s:15014/metrics" % each["status"]["podIP"]).splitlines()
            values = [int(line.split()[-1]) for line in lines if line.startswith(name + " ")]
            if values:
                found[each["metadata"]["name"]] = values[0]
        return found

    def received(self, pod):
        """Resources that a sidecar has received since its start."""
        lines = self.mesh.metrics(NS, pod)
        return sum(int(line.split()[-1]) for line in lines if line.startswith("tulle_xds_updates_total{"))

    def kill(self, name):
        self.cluster.kubectl("-n", "tulle-system", "delete", "pod", name, "--force", "--grace-period=0")


@pytest.fixture(scope="module")
def replicas(cluster):
    load_python(cluster)
    mesh = Mesh(cluster)
    mesh.namespace(NS)
    made = Replicas(mesh)
    made.scale(2)
    return made


@pytest.fixture(scope="module")
def load(replicas):
    """Enough pods that each replica has some of their sidecars; all of them are called."""
    cluster = replicas.cluster
    web = python("web", "web", 8080, readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1})
    cluster.apply(service(NS, "web", (80, 8080)), deployment(NS, "web", 6, web),
                  pod(NS, "load", python("load", "load", "http://web/", RATE, "GET", "POST")))
    cluster.kubectl("-n", NS, "rollout", "status", "deployment/web", "--timeout=120s")
    cluster.wait_for("condition=Ready", "-n", NS, "pod/load")
    made = Load(cluster, NS, "load")
    wait_until(lambda: made.take()["requests"] > 0, "requests are answered")
    made.take()
    return made


def test_one_leads(replicas):
    wait_until(lambda: sorted(replicas.metric("tulle_control_leader").values()) == [0, 1], "there is no leader", TAKEOVER)


def test_each_serves_sidecars_that_believe_each_other(replicas, load):
    issued = replicas.metric("tulle_control_certificates_issued_total")
    assert len(issued) == 2 and sum(issued.values()) >= 7
    before = load.take()
    wait_until(lambda: load.take()["requests"] > 0, "requests are answered")
    assert before["failures"] == []
    webs = [each["metadata"]["name"] for each in replicas.cluster.get("-n", NS, "pods", "-l", "app=web")["items"]]
    for name in webs:
        wait_until(lambda name=name: any('connection_security_policy="mutual_tls"' in line for line in replicas.mesh.metrics(NS, name)),
                   name + " was not called with mTLS")


def test_policies_are_in_force_on_all(replicas, load):
    replicas.mesh.policies(STRICT)

    def refused():
        address = replicas.cluster.get("-n", NS, "pods", "-l", "app=web")["items"]
        codes = [replicas.mesh.curl("-o", "/dev/null", "-w", "%{http_code}", "http://%s:8080/" % each["status"]["podIP"])
                 for each in address]
        return all(code == "000" for code in codes)
    wait_until(refused, "a pod takes plaintext", 60)
    assert load.take()["failures"] == []


def test_what_replicas_do_not_share_is_refused(replicas):
    argv = ["-n", "tulle-system", "exec", "-i", "deployment/tulle-control", "--", "/tullectl", "--credential-file",
            "/var/lib/tulle/control/admin.json", "token", "create", "--service", "web", "-n", NS]
    done = replicas.cluster.try_kubectl(*argv)
    assert done.returncode != 0
    assert "2 replicas of the control plane are running" in done.stderr and "one replica" in done.stderr, done.stderr


def test_a_replica_that_is_killed_costs_no_request(replicas, load):
    for _ in range(2):
        leader = next(name for name, leads in replicas.metric("tulle_control_leader").items() if leads)
        load.take()
        replicas.kill(leader)
        replicas.settled(2)
        wait_until(lambda: sorted(replicas.metric("tulle_control_leader").values()) == [0, 1], "there is no leader", TAKEOVER)
        wait_until(lambda: sum(replicas.metric("tulle_control_proxies_connected").values()) == 7, "sidecars did not come back", 60)
        figures = load.take()
        assert figures["requests"] > 0 and figures["failures"] == [], json.dumps(figures["failures"][:5])


def test_pods_start_while_a_replica_is_away(replicas, load):
    victim = replicas.pods()[0]["metadata"]["name"]
    replicas.kill(victim)
    replicas.cluster.kubectl("-n", NS, "scale", "deployment/web", "--replicas=7")
    replicas.cluster.kubectl("-n", NS, "rollout", "status", "deployment/web", "--timeout=120s")
    replicas.settled(2)
    assert load.take()["failures"] == []


def test_one_replica_takes_changes_again(replicas, load):
    replicas.scale(1)
    wait_until(lambda: replicas.metric("tulle_control_replicas").values() and
               list(replicas.metric("tulle_control_replicas").values()) == [1], "there is one replica", 60)
    replicas.mesh.tullectl("token", "create", "--service", "web", "-n", NS)
    assert load.take()["failures"] == []


def test_a_new_replica_gets_its_share(replicas, load):
    """Sidecars stay with the replica that they have, until their connections have the age at which a replica ends them."""
    replicas.scale(1)
    sidecars = 1 + len(replicas.cluster.get("-n", NS, "pods", "-l", "app=web")["items"])
    replicas.cluster.kubectl("-n", "tulle-system", "patch", "deployment/tulle-control", "--type=json", "-p", json.dumps(
        [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--connection-age=4s"}]))
    replicas.cluster.kubectl("-n", "tulle-system", "rollout", "status", "deployment/tulle-control", "--timeout=120s")
    replicas.settled(1)
    name = "tulle_control_proxies_connected"
    wait_until(lambda: list(replicas.metric(name).values()) == [sidecars], "sidecars did not come back", 60)
    received = replicas.received("load")
    load.take()
    replicas.scale(2)
    wait_until(lambda: len(replicas.metric(name)) == 2 and min(replicas.metric(name).values()) >= 2, "the new replica has no sidecars", 60)
    figures = load.take()
    assert figures["requests"] > 0 and figures["failures"] == [], json.dumps(figures["failures"][:5])
    # What it has is not sent again.
    assert replicas.received("load") == received
