"""tulle-control on the host of a test's API server, without a node: pods are objects, and nothing runs in them."""
import json
import os
import subprocess

from meshed import tullectl
from processes import binary, wait_until

USER = "tulle-control"
ADDRESS = "10.244.0.9"  # of every pod of put_pod()


def installed(kind):
    """The objects of this kind that `tullectl install` prints, as YAML."""
    return "---\n".join(document for document in tullectl("install").split("---\n") if "\nkind: %s\n" % kind in document)


def _binding(kind, role, **metadata):
    group = "rbac.authorization.k8s.io"
    return {"apiVersion": group + "/v1", "kind": kind, "metadata": {"name": USER, **metadata},
            "roleRef": {"apiGroup": group, "kind": role, "name": "tulle-control"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": USER}]}


def allow(cluster):
    """Lets USER do what an installation lets the control plane do, and nothing else."""
    for kind in ("Namespace", "ServiceAccount", "ClusterRole", "Role"):
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=installed(kind))
    cluster.apply(_binding("ClusterRoleBinding", "ClusterRole"), _binding("RoleBinding", "Role", namespace="tulle-system"))


def define_policies(cluster):
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=installed("CustomResourceDefinition"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "-l", "app.kubernetes.io/part-of=tulle")


def put_pod(cluster, name):
    """A pod as the injection leaves it; returns its uid."""
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}},
        {"apiVersion": "v1", "kind": "Pod",
         "metadata": {"name": name, "namespace": "shop", "labels": {"tulle.dev/meshed": "true"},
                      "annotations": {"tulle.dev/service-account": name}},
         "spec": {"serviceAccountName": name, "automountServiceAccountToken": False,
                  "containers": [{"name": "app", "image": "none"}]}})
    # The kubelet's to write.
    cluster.kubectl("-n", "shop", "patch", "pod", name, "--subresource=status", "--patch",
                    json.dumps({"status": {"podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}}))
    return cluster.get("-n", "shop", "pod", name)["metadata"]["uid"]


def token(cluster, name, audience="tulle"):
    return cluster.kubectl("-n", "shop", "create", "token", name, "--audience", audience,
                           "--bound-object-kind", "Pod", "--bound-object-name", name)


def start_sidecar(cluster, name, uid, text, control, roots):
    """A pod's sidecar, as the injection starts it, with this token."""
    folder = cluster.path(name)
    os.makedirs(folder + "/state", mode=0o700)
    for file, content in (("token", text), ("roots.pem", roots)):
        with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
            out.write(content)
    return cluster.start(name, [
        binary("sidecar/tulle-sidecar"), "--control", control, "--transparent", "--state-dir", folder + "/state",
        "--token-file", folder + "/token", "--roots-file", folder + "/roots.pem", "--pod-uid", uid])


class Mesh:
    """tulle-control on the host of the API server, as a user with the rights of an installation alone."""

    def __init__(self, cluster, has_definitions=True):
        self.cluster = cluster
        allow(cluster)
        if has_definitions:
            define_policies(cluster)
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tulle.dev/inject": "enabled"}}})
        self.data = cluster.path("tulle-control")
        self.control = cluster.start("control", [
            binary("control-plane/tulle-control"), "--data-dir", self.data, "--grpc", "127.0.0.1:15012",
            "--api", cluster.address + ":15016", "--kubeconfig", cluster.credentials.client(USER, USER)])
        self._serve_api()
        if has_definitions:
            self.await_ready()

    def _serve_api(self):
        """The Service of an installation. The API server's proxy insists on a pod behind it: this one is an object."""
        metadata = {"name": "tulle-control", "namespace": "tulle-system"}
        ports = [{"name": "https-api", "port": 15016}]
        restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
                      "seccompProfile": {"type": "RuntimeDefault"}}
        container = {"name": "tulle-control", "image": "none", "securityContext": restricted}
        self.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}},
                           {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
                            "spec": {"schedulerName": "nobody", "containers": [container],
                                     "serviceAccountName": "tulle-control"}})
        self.cluster.kubectl("-n", "tulle-system", "patch", "pod", "tulle-control", "--subresource=status", "-p", json.dumps(
            {"status": {"podIP": self.cluster.address, "podIPs": [{"ip": self.cluster.address}]}}))
        pod = {"kind": "Pod", "name": "tulle-control", "namespace": "tulle-system"}
        self.cluster.apply({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata,
                            "subsets": [{"addresses": [{"ip": self.cluster.address, "targetRef": pod}], "ports": ports}]})

    def await_ready(self):
        wait_until(lambda: self.http("127.0.0.1:15014/readyz") == "ok\n", "tulle-control is not ready: " + self.control.log())

    def _run(self, *argv):
        return subprocess.run(self.cluster.namespace.argv(*argv), capture_output=True, text=True, check=False)

    def http(self, url):
        return self._run("curl", "-s", "-m", "2", url).stdout

    def _tullectl(self, *arguments):
        return self._run(binary("control-plane/cli/tullectl"), "--credential-file", self.data + "/admin.json", *arguments)

    def tullectl(self, *arguments):
        return self._tullectl(*arguments).stdout

    def errors(self, *arguments):
        """Of a call that is refused."""
        done = self._tullectl(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def services(self):
        """{(namespace, name): (ports, healthy)}"""
        rows = [line.split() for line in self.tullectl("services", "-A").splitlines()[1:]]
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def sidecar(self, name, uid, text):
        return start_sidecar(self.cluster, name, uid, text, "127.0.0.1:15012", self.roots())

    def roots(self):
        return self.cluster.get("-n", "shop", "configmap", "tulle-ca-root-cert")["data"]["root-cert.pem"]
