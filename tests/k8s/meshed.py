"""Tulle in a test's cluster: its images, its control plane, and workloads that are injected when they are created."""
import os
import re
import shutil
import subprocess

import image
from processes import ROOT, binary, program, wait_until

# As `iptables-legacy` of Debian needs them besides its libraries.
EXTENSIONS = "/usr/lib/x86_64-linux-gnu/xtables"
# Of the whole mesh.
STRICT = """
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: all, namespace: tulle-system}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
"""


def _version():
    with open(os.path.join(ROOT, "telemetry", "version.h"), encoding="utf-8") as header:
        return re.search(r'kVersion\[\] = "([^"]+)"', header.read())[1]


def _image(cluster, short, programs, more=lambda root: None):
    """Of the programs that Bazel has built; with TULLE_IMAGES=FOLDER, the one that `k8s/images/build FOLDER` has made."""
    if os.environ.get("TULLE_IMAGES"):
        cluster.load_image(os.path.join(os.environ["TULLE_IMAGES"], short + ".tar"))
    else:
        _make_image(cluster, short, _version(), [binary(label) for label in programs], more)


def _make_image(cluster, short, tag, paths, more=lambda root: None):
    root = cluster.path("image-%s-%s" % (short, tag))
    for path in paths:
        image.place_program(root, path, "/" + os.path.basename(path))
    more(root)
    name = "docker.io/library/%s:%s" % (short, tag)
    cluster.load_image(image.archive(cluster.path("%s-%s.tar" % (short, tag)), name, root, ["/" + short]))


def load_version(cluster, tag, find):
    """Loads images with this tag of the programs that `find` finds by their labels. The flags of `tullectl install` for them."""
    _make_image(cluster, "tulle-control", tag, [find("control-plane/tulle-control"), find("control-plane/cli/tullectl")])
    _make_image(cluster, "tulle-sidecar", tag, [find("sidecar/tulle-sidecar")])
    _make_image(cluster, "tulle-init", tag, [find("k8s/init/tulle-init")], _tables)
    return ["--%s-image=tulle-%s:%s" % (each, each, tag) for each in ("control", "sidecar", "init")]


def _tables(root):
    """What tulle-init runs."""
    os.makedirs(os.path.join(root, "run"))
    for name in ("iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"):
        for suffix in ("", "-save", "-restore"):
            image.place_program(root, program(name + suffix), "/usr/sbin/" + name + suffix)
    for file in os.listdir(EXTENSIONS):
        image.place_program(root, os.path.join(EXTENSIONS, file))


def tullectl(*arguments):
    """Outside of the cluster; what it printed."""
    return subprocess.run([binary("control-plane/cli/tullectl"), *arguments], capture_output=True, text=True, check=True).stdout


def apply_manifests(cluster, *flags):
    """Installs Tulle as the documentation does."""
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=tullectl("install", *flags))


def tullectl_inject(manifests):
    """The YAML, with a sidecar in its pods."""
    done = subprocess.run([binary("control-plane/cli/tullectl"), "inject", "-f", "-"], input=manifests, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Mesh:
    """The control plane as a Deployment. Owner: a test's fixture; it ends with the cluster."""

    def __init__(self, cluster, *flags, install=apply_manifests):
        """`flags`: of `tullectl install`."""
        self.cluster = cluster
        if "--cni" in flags:
            _image(cluster, "tulle-cni", ["k8s/cni/tulle-cni"])
        if not any(flag.startswith("--control-image=") for flag in flags):
            _image(cluster, "tulle-control", ["control-plane/tulle-control", "control-plane/cli/tullectl"])
            _image(cluster, "tulle-sidecar", ["sidecar/tulle-sidecar"])
            _image(cluster, "tulle-init", ["k8s/init/tulle-init"], _tables)
        install(cluster, *flags)
        self.await_control()

    def await_control(self):
        """Until the control plane is ready, and the API server reaches its webhook: kube-proxy learns of it later."""
        self.cluster.wait_for("condition=Available", "-n", "tulle-system", "deployment/tulle-control")
        address = self.cluster.get("-n", "tulle-system", "service", "tulle-control")["spec"]["clusterIP"]
        wait_until(lambda: self.curl("-k", "https://%s/inject" % address).startswith("method not allowed"),
                   "the webhook does not answer at its Service")

    def curl(self, *arguments, stdin=None):
        """From the node; the body, or nothing."""
        argv = self.cluster.namespace.argv(shutil.which("curl"), "-s", "-m", "20", *arguments)
        return subprocess.run(argv, input=stdin, capture_output=True, check=False).stdout.decode()

    def tullectl(self, *arguments, stdin=None):
        """On the node, as the cluster's admin."""
        argv = self.cluster.namespace.argv(binary("control-plane/cli/tullectl"), "--kubeconfig", self.cluster.admin, *arguments)
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, "tullectl %s: %s" % (" ".join(arguments), done.stderr)
        return done.stdout

    def namespace(self, name):
        """Whose pods are injected."""
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace",
                            "metadata": {"name": name, "labels": {"tulle.dev/inject": "enabled"}}})

    def apply(self, manifests):
        """Applies YAML."""
        self.cluster.kubectl("apply", "-f", "-", stdin=manifests)

    def policies(self, manifests):
        """Applies policies, and waits until they are in force at the control plane."""
        self.apply(manifests)
        self.cluster.kubectl("wait", "--for=condition=Accepted", "--timeout=60s", "-f", "-", stdin=manifests)

    def inject(self, manifests):
        """Applies YAML after `tullectl inject`: the webhook has nothing left to do."""
        self.cluster.kubectl("apply", "-f", "-", stdin=tullectl_inject(manifests))

    def control_metric(self, name):
        """A figure of the control plane's pod; None: it does not answer."""
        pods = self.cluster.get("-n", "tulle-system", "pod", "-l", "app=tulle-control")["items"]
        address = pods[0]["status"].get("podIP", "none") if len(pods) == 1 else "none"
        lines = self.curl("http://%s:15014/metrics" % address).splitlines()
        return next((int(line.split()[-1]) for line in lines if line.startswith(name + " ")), None)

    def metrics(self, ns, pod):
        """Lines of a sidecar's metrics, asked as kubelet and Prometheus do it: by the pod's address."""
        address = self.cluster.get("-n", ns, "pod", pod)["status"]["podIP"]
        return self.curl("-f", "http://%s:15090/stats/prometheus" % address).splitlines()
