"""Two replicas of the control plane: pods get certificates from either and believe each other, a replica that is killed or cut off
under load costs no request, nor does a rotation of the root, and what replicas do not share cannot be changed."""
import base64
import json
import subprocess
import time

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
# Its two steps take 30 s, and certificates live for 24 hours.
ROTATION = 180


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

    def end_connections_after(self, age):
        """Starts the replicas anew with this --connection-age."""
        container = self.cluster.get("-n", "tulle-system", "deployment/tulle-control")["spec"]["template"]["spec"]["containers"][0]
        arguments = [each for each in container["args"] if not each.startswith("--connection-age")]
        self.cluster.kubectl("-n", "tulle-system", "patch", "deployment/tulle-control", "--type=json", "-p", json.dumps(
            [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": arguments + ["--connection-age=" + age]}]))
        self.cluster.kubectl("-n", "tulle-system", "rollout", "status", "deployment/tulle-control", "--timeout=120s")

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

    def roots(self):
        """What the replicas share."""
        data = self.cluster.get("-n", "tulle-system", "secret", "tulle-ca")["data"]
        return json.loads(base64.b64decode(data["roots.json"]))

    def statements(self):
        annotations = self.cluster.get("-n", "tulle-system", "lease", "tulle-control")["metadata"].get("annotations", {})
        return {name: text for name, text in annotations.items() if name.startswith("rotation.tulle.dev/")}

    def rotate(self):
        """Until the new root alone is left; how many seconds it took."""
        before = self.roots()["roots"][0]["certificate"]
        start = time.monotonic()
        self.mesh.tullectl("cert", "rotate")

        def is_done():
            roots = self.roots()
            return roots["phase"] == "steady" and roots["roots"][0]["certificate"] != before
        wait_until(is_done, "the old root is still there", ROTATION)
        return time.monotonic() - start

    def cut_off(self, name, is_cut_off=True):
        """Whether a pod's packets to the API server get lost."""
        address = next(each["status"]["podIP"] for each in self.pods() if each["metadata"]["name"] == name)
        rule = ["INPUT", "-s", address, "-d", self.cluster.address, "-p", "tcp", "--dport", "6443", "-j", "DROP"]
        subprocess.run(self.cluster.namespace.argv("iptables", "-I" if is_cut_off else "-D", *rule), check=True)

    def is_ready(self, name):
        pod = next(each for each in self.pods() if each["metadata"]["name"] == name)
        return pod["status"]["containerStatuses"][0]["ready"]

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


def connected(replicas):
    return replicas.metric("tulle_control_proxies_connected")


def spread(replicas):
    """Sidecars on both replicas: those of the other one are made anew until one comes to each."""
    def is_spread():
        counts = connected(replicas)
        if len(counts) == 2 and min(counts.values()) > 0:
            return True
        replicas.cluster.kubectl("-n", NS, "delete", "pod", "-l", "app=web", "--wait=false")
        replicas.cluster.kubectl("-n", NS, "rollout", "status", "deployment/web", "--timeout=120s")
        return False
    wait_until(is_spread, "one replica has all sidecars", 180)


def test_a_rotation_needs_no_lifetime_of_a_certificate(replicas, load):
    spread(replicas)
    load.take()
    took = replicas.rotate()
    print("root rotated in %.0f s: %s" % (took, connected(replicas)))
    figures = load.take()
    assert figures["requests"] > 0 and figures["failures"] == [], json.dumps(figures["failures"][:5])
    wait_until(lambda: replicas.statements() == {}, "statements are left in the Lease")


def test_a_replica_that_is_cut_off_gives_its_sidecars_to_the_other_one(replicas, load):
    """It rotates nothing, signs nothing, and a rotation does not wait for it."""
    spread(replicas)
    wait_until(lambda: sorted(replicas.metric("tulle_control_leader").values()) == [0, 1], "there is no leader", TAKEOVER)
    victim = next(name for name, leads in replicas.metric("tulle_control_leader").items() if leads)
    other = next(name for name in replicas.metric("tulle_control_leader") if name != victim)
    sidecars = sum(connected(replicas).values())
    load.take()
    replicas.cut_off(victim)
    try:
        wait_until(lambda: replicas.metric("tulle_control_cut_off") == {victim: 1, other: 0}, "it has not noticed", 60)
        wait_until(lambda: not replicas.is_ready(victim), "it is still ready", 60)
        wait_until(lambda: connected(replicas) == {victim: 0, other: sidecars}, "its sidecars stay with it", 120)
        took = replicas.rotate()
        print("root rotated in %.0f s while a replica was cut off" % took)
    finally:
        replicas.cut_off(victim, False)
    wait_until(lambda: replicas.is_ready(victim), "it is not ready again", 60)
    assert replicas.metric("tulle_control_cut_off") == {victim: 0, other: 0}
    ends = replicas.metric("tulle_control_root_not_after_seconds")
    assert len(set(ends.values())) == 1, "it signs with another root"
    figures = load.take()
    assert figures["requests"] > 0 and figures["failures"] == [], json.dumps(figures["failures"][:5])


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
    replicas.end_connections_after("4s")
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


def test_check_knows_the_sidecars_of_all_replicas(replicas, load):
    """Sidecars move, and the replica that they have left remembers them."""
    replicas.end_connections_after("3s")
    replicas.settled(2)

    def report(pod):
        return replicas.cluster.try_kubectl("-n", "tulle-system", "exec", pod, "--", "/tullectl", "--credential-file",
                                            "/var/lib/tulle/control/admin.json", "check").stdout
    wait_until(lambda: any("× proxies connected" in report(each["metadata"]["name"]) for each in replicas.pods()),
               "no sidecar has moved", 60)
    checked = replicas.mesh.tullectl("check")
    assert "✓ proxies connected: all" in checked, checked
