"""A real Kubernetes of its own for a test: an API server with etcd and controllers, and nodes that run pods.

    with Cluster() as cluster:          # etcd, API server, controllers: about 5 s
        cluster.add_node()              # containerd, kubelet, kube-proxy: about 3 s more; pods run
        cluster.apply(objects)
        cluster.kubectl("get", "pods")

Everything runs in network namespaces that have no way out, so that nothing of a pod leaves the machine; each process is a
child of the test. Needs root. The traps of this are explained where they are avoided."""
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
from netns import run  # noqa: E402
from processes import Child, wait_until  # noqa: E402

import credentials  # noqa: E402
import image  # noqa: E402
import programs  # noqa: E402
from node import Node  # noqa: E402

NODES = "172.30.0.%d"
SERVICES = "10.96.0.0/16"
SERVICES6 = ",fd00:96::/112"
NODES6 = "fd00:30::%x"
DNS_SERVICE = "10.96.0.10"
_numbers = itertools.count(1)
PATIENCE = 90  # A limit for a broken cluster on a busy machine.


class Namespace:
    """A network namespace of a cluster, with a shell-less way to run programs in it."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def argv(self, *argv):
        # Not `ip netns exec`: it mounts a new /sys, in which runc does not find the control groups.
        return ["nsenter", "--net=/run/netns/" + self.name, *argv]

    def ip(self, *arguments):
        run("ip", "-n", self.name, *arguments)

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Cluster:
    """The control plane of Kubernetes, and its nodes. Two clusters have the same addresses, in different networks."""

    def __init__(self, dual_stack=False):
        """`dual_stack`: nodes, pods and Services can have addresses of both families; for one node."""
        self.dual_stack = dual_stack
        self.name = "tulle-k8s-%d-%d" % (os.getpid(), next(_numbers))
        self.folder = tempfile.mkdtemp(prefix=self.name + "-")
        self.address = NODES % 1
        self.server = "https://%s:6443" % self.address
        self.credentials = credentials.Credentials(os.path.join(self.folder, "pki"), self.server)
        self.admin = self.credentials.client("admin", "admin", "system:masters")
        self.namespace = Namespace(self.name)
        self.nodes = []
        self._images = []
        self._children = []
        self._binary = programs.path("kubernetes")

    def __enter__(self):
        try:
            self._make_network()
            self._start_control_plane()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, argv, namespace=None):
        """A process of the cluster; its output goes to NAME.log."""
        child = Child((namespace or self.namespace).argv(*argv), self.path(name + ".log"))
        self._children.append(child)
        return child

    def program(self, name, *arguments):
        return [self._binary, name, *arguments]

    def _make_network(self):
        self.namespace.ip("link", "add", "nodes", "type", "bridge")
        self.namespace.ip("addr", "add", self.address + "/24", "dev", "nodes")
        self.namespace.ip("link", "set", "nodes", "up")
        # kube-apiserver and kubelet find their address by the default route. This one leads nowhere: the bridge needs an
        # end that is up.
        self.namespace.ip("link", "add", "out0", "type", "veth", "peer", "name", "out1")
        self.namespace.ip("link", "set", "out1", "master", "nodes")
        self.namespace.ip("link", "set", "out0", "up")
        self.namespace.ip("link", "set", "out1", "up")
        self.namespace.ip("route", "add", "default", "via", NODES % 254, "dev", "nodes")
        run(*self.namespace.argv("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1"))
        if self.dual_stack:
            self.namespace.ip("addr", "add", NODES6 % 1 + "/64", "dev", "nodes", "nodad")
            self.namespace.ip("-6", "route", "add", "default", "via", NODES6 % 254, "dev", "nodes")
            run(*self.namespace.argv("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"))

    def _start_control_plane(self):
        pki = self.credentials
        pki.serve("apiserver", "kube-apiserver",
                  ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1",
                   credentials.API_SERVICE, self.address])
        pki.client("kubelet-client", "apiserver-kubelet", "system:masters")
        self.start("etcd", ["etcd", "--data-dir", self.path("etcd"), "--unsafe-no-fsync",
                            "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
                            "--listen-peer-urls", "http://127.0.0.1:2380"])
        self.api_server = self.start("apiserver", self._api_server())
        self._wait("the API server", lambda: self.try_kubectl("get", "--raw", "/readyz").returncode == 0)
        self.start("controllers", self.program(
            "kube-controller-manager", *self._as("controllers", "system:kube-controller-manager"),
            "--service-account-private-key-file=" + pki.path("accounts.key"), "--root-ca-file=" + pki.path("ca.crt"),
            "--cluster-signing-cert-file=" + pki.path("ca.crt"), "--cluster-signing-key-file=" + pki.path("ca.key"),
            "--use-service-account-credentials=true", "--leader-elect=false",
            # With the default of 20 calls a second the first service account comes 5 s later.
            "--kube-api-qps=500", "--kube-api-burst=1000"))
        self.start("scheduler", self.program(
            "kube-scheduler", *self._as("scheduler", "system:kube-scheduler"), "--leader-elect=false"))
        self._wait("the default service account",
                   lambda: self.try_kubectl("-n", "default", "get", "serviceaccount", "default").returncode == 0)

    def restart_api_server(self):
        """Kills it: its graceful end waits for watches. Its memory of versions is lost."""
        self.api_server.stop(signal.SIGKILL)
        self._children.remove(self.api_server)
        self.api_server = self.start("apiserver-again", self._api_server())
        self._wait("the API server", lambda: self.try_kubectl("get", "--raw", "/readyz").returncode == 0)

    def _as(self, file, user):
        config = self.credentials.client(file, user)
        return ["--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
                "--bind-address=127.0.0.1"]

    def _api_server(self):
        pki = self.credentials.path
        return self.program(
            "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=" + self.address,
            "--advertise-address=" + self.address, "--secure-port=6443", "--service-cluster-ip-range=" + SERVICES + (SERVICES6 if self.dual_stack else ""),
            "--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
            "--client-ca-file=" + pki("ca.crt"), "--kubelet-certificate-authority=" + pki("ca.crt"),
            "--kubelet-client-certificate=" + pki("kubelet-client.crt"), "--kubelet-client-key=" + pki("kubelet-client.key"),
            "--kubelet-preferred-address-types=InternalIP", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--service-account-key-file=" + pki("accounts.pub"), "--service-account-signing-key-file=" + pki("accounts.key"))

    def _wait(self, what, condition):
        def ready():
            for child in self._children:
                assert child.running(), "%s ended:\n%s" % (child.argv[2:4], child.log()[-2000:])
            return condition()
        wait_until(ready, "%s is not ready; see the logs in %s" % (what, self.folder), PATIENCE)

    def add_node(self, zone="zone-1"):
        """A node that runs pods, in a namespace of its own but for the first."""
        node = Node(self, len(self.nodes) + 1, zone)
        self.nodes.append(node)
        node.start()
        for archive in self._images:
            node.load_image(archive)
        self._wait(node.name, lambda: '"Ready","True"' in self.try_kubectl(
            "get", "node", node.name, "-o",
            'jsonpath={range .status.conditions[*]}"{.type}","{.status}" {end}').stdout)
        return node

    def load_image(self, archive):
        """Gives every node an image, those that come later too; new pods use it at once."""
        self._images.append(archive)
        for node in self.nodes:
            node.load_image(archive)

    def try_kubectl(self, *arguments, stdin=None):
        argv = self.namespace.argv(*self.program("kubectl", "--kubeconfig", self.admin, *arguments))
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)

    def kubectl(self, *arguments, stdin=None):
        done = self.try_kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, "kubectl %s: %s" % (" ".join(arguments), done.stderr)
        return done.stdout

    def apply(self, *objects):
        """Objects as Python values."""
        return self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def wait_for(self, condition, *target, seconds=PATIENCE):
        """As `kubectl wait --for=CONDITION TARGET`; on failure it tells what happened in the namespace."""
        done = self.try_kubectl("wait", "--for=" + condition, "--timeout=%ds" % seconds, *target)
        if done.returncode:
            raise AssertionError("%s\n%s" % (done.stderr, self.try_kubectl("get", "events", "-A").stdout[-4000:]))

    def start_dns(self):
        """CoreDNS at the address that pods have in their resolv.conf."""
        root = self.path("image-coredns")
        image.place(root, programs.path("coredns"), "/coredns")
        self.load_image(image.archive(self.path("coredns.tar"), image.name("coredns"), root, ["/coredns"]))
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "coredns.yaml"), encoding="utf-8") as manifest:
            self.kubectl("apply", "-f", "-", stdin=manifest.read().replace("IMAGE", image.name("coredns"))
                         .replace("ADDRESS", DNS_SERVICE))
        self.wait_for("condition=Available", "-n", "kube-system", "deployment/coredns")

    def close(self):
        for node in reversed(self.nodes):
            node.close()
        for child in reversed(self._children):
            # The API server's own stop waits a minute for the watches of others.
            child.process.kill() if "kube-apiserver" in child.argv else child.stop()
            child.process.wait()
        self.namespace.close()
        if os.environ.get("TULLE_KEEP_LOGS"):
            print("logs of the cluster: " + self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
