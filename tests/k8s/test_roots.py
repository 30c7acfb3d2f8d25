"""The roots of the mesh in a Secret: shared by two control planes, and kept when both start anew. No node: two processes on the
host of the API server."""
import base64
import json
import os
import shutil
import signal
import subprocess

import pytest

from on_host import USER, allow, define_policies, put_pod, start_sidecar, token
from processes import binary, wait_until

# The Lease of a leader that was killed lasts 15 s, and others ask every 2 to 4 s.
TAKEOVER = 60
# Its two steps take 30 s.
ROTATION = 180


class Replica:
    """tulle-control as a user with what the manifest allows. Its folder is new for each start, as an emptyDir is."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.name = "replica%d" % number
        self.port = 15100 + 10 * number
        self.data = cluster.path(self.name)
        shutil.rmtree(self.data, ignore_errors=True)
        at = "127.0.0.1:%d"
        self.process = cluster.start(self.name, [
            binary("control-plane/tulle-control"), "--data-dir", self.data, "--kubeconfig", cluster.credentials.client(USER, USER),
            "--roots-secret", "on", "--grpc", at % self.port, "--api", at % (self.port + 1), "--health", at % (self.port + 2),
            "--webhook", at % (self.port + 3)])

    def await_ready(self):
        wait_until(lambda: self._run("curl", "-s", "-m", "2", "http://127.0.0.1:%d/readyz" % (self.port + 2)) == "ok\n",
                   "%s is not ready: %s" % (self.name, self.process.log()))
        return self

    def roots(self):
        """The trust bundle."""
        with open(os.path.join(self.data, "admin.json"), encoding="utf-8") as file:
            return json.load(file)["ca"]

    def is_leader(self):
        metrics = self._run("curl", "-s", "-m", "2", "http://127.0.0.1:%d/metrics" % (self.port + 2))
        return "\ntulle_control_leader 1\n" in metrics

    def tullectl(self, *arguments):
        return self._run(binary("control-plane/cli/tullectl"), "--credential-file", self.data + "/admin.json", *arguments)

    def standing(self, pem):
        """What this replica says to the holder of a certificate and key that asks for a new one. It is refused in any case: pods
        renew with their tokens. But a certificate that is not revoked is believed first."""
        frame = self.cluster.path("frame")
        with open(frame, "wb") as out:
            out.write(bytes(5))
        done = subprocess.run(self.cluster.namespace.argv(
            "curl", "-sS", "-k", "-m", "5", "--http2", "-D", "-", "--cert", pem, "--key", pem, "-H", "content-type: application/grpc",
            "-H", "te: trailers", "--data-binary", "@" + frame,
            "https://127.0.0.1:%d/tulle.ca.v1.CertificateAuthority/CreateCertificate" % self.port), capture_output=True, check=False)
        text = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        if "has not joined with a join token" in text:
            return "valid"
        return "revoked" if "revoked" in text else text

    def _run(self, *argv):
        return subprocess.run(self.cluster.namespace.argv(*argv), capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def cluster(control):
    allow(control)
    define_policies(control)
    return control


@pytest.fixture
def replicas(cluster):
    """Two that start at once."""
    both = [Replica(cluster, number) for number in (1, 2)]
    yield [each.await_ready() for each in both]
    for each in both:
        each.process.stop()


def secret(cluster):
    data = cluster.get("-n", "tulle-system", "secret", "tulle-ca")["data"]
    return json.loads(base64.b64decode(data["roots.json"]))


def test_two_that_start_at_once_have_the_same_root(cluster, replicas):
    a, b = replicas
    assert a.roots() == b.roots() == secret(cluster)["roots"][0]["certificate"]


def test_roots_outlive_the_processes(cluster):
    before = secret(cluster)
    again = Replica(cluster, 1).await_ready()
    assert again.roots() == before["roots"][0]["certificate"]
    assert secret(cluster) == before
    again.process.stop()


def test_all_follow_a_rotation(cluster, replicas):
    a, b = replicas
    before = a.roots()
    a.tullectl("cert", "rotate")
    wait_until(lambda: before not in a.roots() and a.roots() == b.roots(), "they have other roots: " + a.process.log(), ROTATION)
    assert a.roots() == secret(cluster)["roots"][0]["certificate"]


def test_no_key_is_in_a_log(cluster, replicas):
    for each in replicas:
        assert "PRIVATE" not in each.process.log()
        assert secret(cluster)["roots"][0]["key"].splitlines()[1] not in each.process.log()


def test_a_deleted_secret_comes_back(cluster, replicas):
    before = secret(cluster)
    cluster.kubectl("-n", "tulle-system", "delete", "secret", "tulle-ca")
    wait_until(lambda: cluster.try_kubectl("-n", "tulle-system", "get", "secret", "tulle-ca").returncode == 0, "it is lost")
    assert secret(cluster)["roots"] == before["roots"]


def certificate(cluster, name, number):
    """A copy of what the sidecar holds, as a thief would make it."""
    source = os.path.join(cluster.path(name), "state", "identity.pem")
    wait_until(lambda: os.path.exists(source), name + " has no certificate")
    copy = cluster.path("%s-%d.pem" % (name, number))
    shutil.copy(source, copy)
    return copy


def test_an_eviction_outlives_the_replicas(cluster, replicas):
    """Asked of one, it is in force on both, also for what the other one has issued, and after both have started anew."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tulle.dev/inject": "enabled"}}})
    uid = put_pod(cluster, "thief")
    copies = []
    for number, replica in enumerate(replicas):
        name = "thief-%d" % number
        sidecar = start_sidecar(cluster, name, uid, token(cluster, "thief"), "127.0.0.1:%d" % replica.port, replica.roots())
        wait_until(lambda each=sidecar: "main: ready" in each.log(), "the sidecar is not ready: " + sidecar.log())
        copies.append(certificate(cluster, name, number))
        sidecar.stop()
    assert [each.standing(copy) for each in replicas for copy in copies] == ["valid"] * 4
    assert "spiffe://cluster.local/ns/shop/sa/thief evicted" in replicas[0].tullectl("evict", "thief", "-n", "shop")
    wait_until(lambda: [each.standing(copy) for each in replicas for copy in copies] == ["revoked"] * 4, "a copy is still valid")
    wait_until(lambda: len(secret(cluster)["evictions"]["spiffe://cluster.local/ns/shop/sa/thief"]["certificates"]) == 2,
               "the Secret does not have the certificates of both replicas")
    for each in replicas:
        each.process.stop(signal.SIGKILL)
    again = [Replica(cluster, number) for number in (3, 4)]
    for each in again:
        each.await_ready()

    def all_refused():
        # The connection may end before curl reads why.
        said = [each.standing(copy) for each in again for copy in copies]
        assert "valid" not in said
        return said == ["revoked"] * 4
    wait_until(all_refused, "a copy is not known to be revoked")
    for each in again:
        each.process.stop()


def holder(cluster):
    return cluster.get("-n", "tulle-system", "lease", "tulle-control")["spec"]["holderIdentity"]


def test_one_leads_until_it_is_killed(cluster, replicas):
    wait_until(lambda: any(each.is_leader() for each in replicas), "there is no leader", TAKEOVER)
    leader, other = sorted(replicas, key=lambda each: not each.is_leader())
    assert not other.is_leader()
    before = holder(cluster)
    assert "this replica is the leader now: " + before in leader.process.log()
    leader.process.stop(signal.SIGKILL)
    wait_until(other.is_leader, "nobody took over", TAKEOVER)
    assert holder(cluster) != before
    lease = cluster.get("-n", "tulle-system", "lease", "tulle-control")["spec"]
    assert lease["leaseTransitions"] >= 1 and lease["leaseDurationSeconds"] == 15
    # What the leader writes, the new one does.
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later", "labels": {"tulle.dev/inject": "enabled"}}})
    wait_until(lambda: cluster.try_kubectl("-n", "later", "get", "configmap", "tulle-ca-root-cert").returncode == 0, "no ConfigMap")
