"""A node of a test's cluster: containerd, kubelet, kube-proxy and a bridge for its pods."""
import json
import os
import subprocess

import image
from netns import run
from processes import wait_until

CNI_PLUGINS = "/usr/lib/cni"
GROUPS = "/sys/fs/cgroup"

CONTAINERD = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  stream_server_address = "127.0.0.1"
  # A test may not be allowed to lower oom_score_adj; runc would end at once.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


class Node:
    """Owner: Cluster. The first node shares the namespace of the control plane."""

    def __init__(self, cluster, number, zone):
        self.cluster = cluster
        self.number = number
        self.name = "node%d" % number
        self.zone = zone
        self.address = "172.30.0.%d" % number
        self.pods = "10.244.%d.0/24" % number
        self.folder = cluster.path(self.name)
        self.socket = os.path.join(self.folder, "containerd.sock")
        self.group = "%s-%d" % (cluster.name, number)
        self.namespace = cluster.namespace if number == 1 else type(cluster.namespace)(self.group)
        self._runtime = None
        self._kubelet = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        os.makedirs(self.path("cni"))
        # A folder of its own: a test may install a plugin.
        os.makedirs(self.path("cni-bin"))
        for plugin in os.listdir(CNI_PLUGINS):
            os.symlink(os.path.join(CNI_PLUGINS, plugin), os.path.join(self.path("cni-bin"), plugin))
        if self.number > 1:
            self._join_network()
        self._make_groups()
        self._write("cni/10-pods.conflist", json.dumps(self._network()))
        self._write("containerd.toml", CONTAINERD.format(
            folder=self.folder, socket=self.socket, pause=image.name("pause"), plugins=self.path("cni-bin")))
        self._runtime = self._start("containerd", ["containerd", "-c", self.path("containerd.toml")])
        wait_until(lambda: self.ctr("version").returncode == 0, "containerd does not answer", 30)
        root = self.path("image-pause")
        image.pause(root)
        self.load_image(image.archive(self.path("pause.tar"), image.name("pause"), root, ["/pause"]))
        self._start_kubelet()
        self._start_proxy()

    def _start(self, name, argv):
        return self.cluster.start("%s-%s" % (name, self.name), argv, self.namespace)

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def _join_network(self):
        """A cable to the bridge of the nodes, and routes to the pods of the others."""
        end = "node%d" % self.number
        run("ip", "link", "add", "eth0", "netns", self.namespace.name, "type", "veth", "peer", "name", end, "netns",
            self.cluster.namespace.name)
        self.cluster.namespace.ip("link", "set", end, "master", "nodes", "up")
        self.namespace.ip("addr", "add", self.address + "/24", "dev", "eth0")
        self.connect()
        run(*self.namespace.argv("sysctl", "-qw", "net.ipv4.ip_forward=1"))

    def disconnect(self):
        """Cuts the node off from the others and from the control plane."""
        self.namespace.ip("link", "set", "eth0", "down")

    def connect(self):
        self.namespace.ip("link", "set", "eth0", "up")
        # A link that goes down takes its routes with it.
        self.namespace.ip("route", "replace", "default", "via", "172.30.0.254", "dev", "eth0")
        for other in self.cluster.nodes:
            if other is not self:
                self.namespace.ip("route", "replace", other.pods, "via", other.address)
                other.namespace.ip("route", "replace", self.pods, "via", self.address)

    def _make_groups(self):
        """A control group of its own under each controller, so that two nodes do not share one."""
        for controller in os.listdir(GROUPS):
            folder = os.path.join(GROUPS, controller)
            if not os.path.exists(os.path.join(folder, "cgroup.procs")):
                continue
            os.makedirs(os.path.join(folder, self.group), exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, which then cannot hold a process
                if os.path.exists(os.path.join(folder, file)):
                    with open(os.path.join(folder, file), encoding="ascii") as source:
                        value = source.read()
                    with open(os.path.join(folder, self.group, file), "w", encoding="ascii") as target:
                        target.write(value)

    def _network(self):
        ranges, routes = [[{"subnet": self.pods}]], [{"dst": "0.0.0.0/0"}]
        if self.cluster.dual_stack:
            ranges.append([{"subnet": "fd00:244:%x::/64" % self.number}])
            routes.append({"dst": "::/0"})
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [
            {"type": "bridge", "bridge": "pods", "isGateway": True, "ipMasq": False, "hairpinMode": True,
             "ipam": {"type": "host-local", "ranges": ranges, "routes": routes,
                      "dataDir": self.path("addresses")}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]}

    def _start_kubelet(self):
        pki = self.cluster.credentials
        user = pki.client("kubelet-" + self.name, "system:node:" + self.name, "system:nodes")
        pki.serve("serve-" + self.name, self.name, [self.name, self.address, "127.0.0.1"])
        self._write("resolv.conf", "nameserver %s\n" % self.address)
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": self.address,
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": pki.path("ca.crt")}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": pki.path("serve-%s.crt" % self.name), "tlsPrivateKeyFile": pki.path("serve-%s.key" % self.name),
            "cgroupDriver": "cgroupfs", "failCgroupV1": False, "cgroupRoot": "/" + self.group, "enforceNodeAllocatable": [],
            "containerRuntimeEndpoint": "unix://" + self.socket, "clusterDNS": ["10.96.0.10"],
            "clusterDomain": "cluster.local", "resolvConf": self.path("resolv.conf"), "failSwapOn": False,
            "makeIPTablesUtilChains": False, "oomScoreAdj": 0, "registerWithTaints": [], "healthzBindAddress": "127.0.0.1",
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%",
                             "nodefs.inodesFree": "1%"},
            "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
            # Each kubelet deletes the logs of pods that it does not know.
            "podLogsDir": self.path("pod-logs"), "volumePluginDir": self.path("volumes"), "shutdownGracePeriod": "0s", "syncFrequency": "10s"}
        self._kubelet = self._start("kubelet", self.cluster.program(
            "kubelet", "--config=" + self._write("kubelet.json", json.dumps(config)), "--kubeconfig=" + user,
            "--root-dir=" + self.path("kubelet"), "--cert-dir=" + self.path("kubelet-pki"), "--hostname-override=" + self.name,
            "--node-ip=" + self.address + (",fd00:30::%x" % self.number if self.cluster.dual_stack else ""),
            "--node-labels=topology.kubernetes.io/region=region-1,topology.kubernetes.io/zone=" + self.zone))

    def _start_proxy(self):
        user = self.cluster.credentials.client("proxy-" + self.name, "system:kube-proxy")
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "iptables",
            "clientConnection": {"kubeconfig": user}, "hostnameOverride": self.name,
            "clusterCIDR": "10.244.0.0/16" + (",fd00:244::/32" if self.cluster.dual_stack else ""),
            # The machine's limits of connection tracking cannot be set from a namespace.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249", "oomScoreAdj": 0,
            "iptables": {"minSyncPeriod": "100ms"}}
        self._start("proxy", self.cluster.program("kube-proxy", "--config=" + self._write("proxy.json", json.dumps(config))))

    def ctr(self, *arguments):
        argv = self.namespace.argv("ctr", "-a", self.socket, "-n", "k8s.io", *arguments)
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def load_image(self, archive):
        done = self.ctr("images", "import", archive)
        assert done.returncode == 0, done.stderr

    def close(self):
        if self._kubelet is not None:
            self._kubelet.stop()  # first: it starts again what ends
        if self._runtime is not None and self._runtime.running():
            self._end_pods()
        if self._runtime is not None:
            self._runtime.stop()
        self._end_shims()
        self._unmount()
        self._remove_groups()
        if self.number > 1:
            self.namespace.close()

    def _end_pods(self):
        """Ends the pods past their plugins, so their network namespaces are removed here."""
        names = self.ctr("containers", "ls", "-q").stdout.split()
        spaces = set()
        for name in names:
            words = self.ctr("containers", "info", name).stdout.replace('"', " ").split()
            spaces.update(word for word in words if "/netns/cni-" in word)
            self.ctr("tasks", "rm", "-f", name)
        for space in spaces:
            subprocess.run(["ip", "netns", "del", os.path.basename(space)], capture_output=True, check=False)

    def _end_shims(self):
        """They are no children of this process, but they name its socket."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if words[0].endswith("containerd-shim-runc-v2") and self.socket in words:
                os.kill(int(pid), 9)

    def _unmount(self):
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            inside = [line.split()[1] for line in mounts if line.split()[1].startswith(self.folder + "/")]
        for mount in sorted(inside, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)

    def _remove_groups(self):
        for controller in os.listdir(GROUPS):
            top = os.path.join(GROUPS, controller, self.group)
            _end_processes(top)  # of a pod that was being started: no shim names it
            wait_until(lambda top=top: _removed(top), "processes stay in " + top, 20)


def _end_processes(top):
    for base, _, files in os.walk(top):
        if "cgroup.procs" in files:
            with open(os.path.join(base, "cgroup.procs"), encoding="ascii") as file:
                for pid in file.read().split():
                    os.kill(int(pid), 9)


def _removed(top):
    """Whether the group and those below it are gone. One whose processes end just now cannot be removed yet."""
    for base, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(base)
        except OSError:
            return False
    return not os.path.exists(top)
