"""Where the shop's workloads live: on hosts of their own with redirected connections, or all on loopback with explicit ports."""
import os
import shutil
import socket
import subprocess
import sys

import control
import netns
import processes

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 10
UID = 1337


def dial(host, port):
    sock = socket.create_connection((host, port), TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def best(folder, explicit_ports):
    """Hosts where that is allowed and possible, else loopback."""
    wanted = ("ip", "iptables", "ip6tables", "setpriv")
    if not explicit_ports and os.geteuid() == 0 and all(processes.program(name) for name in wanted) and processes.binary("k8s/init/tulle-init"):
        return Hosts(folder)
    return Loopback(folder)


class Loopback:
    """Each workload has ports of its own on 127.0.0.1; its program calls others by its sidecar's outbound ports."""

    transparent = False
    control_host = control.Loopback
    FIRST_PORT = 20000
    CONTROL_PORTS = (20100, 20101, 20102)
    REDIS_PORT = 20099

    def __init__(self, folder):
        self.folder = folder

    def describe(self):
        return "all on 127.0.0.1 with explicit ports (as root, each workload has its own network namespace)"

    def check_free(self, workloads):
        ports = [p for w in workloads for p in (self.application_port(w), self.inbound(w), self.outbound(w), self.admin(w), self.door(w))]
        taken = sorted({p for p in ports if processes.listening(p)})
        if taken:
            raise SystemExit("ports %s are taken by another program: end it and try again" % taken)

    def _port(self, workload, offset):
        return self.FIRST_PORT + 10 * workload.number + offset

    def application_port(self, workload):
        return self._port(workload, 0)

    def inbound(self, workload):
        return self._port(workload, 1)

    def outbound(self, workload):
        return self._port(workload, 2)

    def admin(self, workload):
        return self._port(workload, 3)

    def door(self, workload):
        """Where others reach the sidecar: the recorder stands before one of them."""
        return self._port(workload, 4 if workload.recorded else 1)

    def prepare(self, workload):
        pass

    def program(self, path):
        return path

    def give(self, path):
        """Files that the sidecar reads and writes."""

    def argv(self, workload, *argv, sidecar=False):
        del workload, sidecar
        return list(argv)

    def sidecar_arguments(self, workload):
        argv = ["--admin", "127.0.0.1:%d" % self.admin(workload)]
        for application, service, protocol in workload.ports(self.application_port(workload)):
            dialled = "%d@" % self.door(workload) if workload.recorded else ""
            argv += ["--inbound", "%s%d:%d:%d/%s" % (dialled, self.inbound(workload), application, service, protocol)]
        if workload.calls:
            argv += ["--outbound-http", str(self.outbound(workload))]
        if workload.service == "customers":
            argv += ["--outbound-tcp", "redis:6379=%d" % self.REDIS_PORT]
        return argv

    def service_arguments(self, workload):
        del workload
        return []

    def address(self, caller, service):
        """(host, port) by which that workload's program calls the service."""
        return "127.0.0.1", self.REDIS_PORT if service == "redis" else self.outbound(caller)

    def connect(self, caller, service):
        return dial(*self.address(caller, service))

    def connect_door(self, workload):
        """As a stranger."""
        return dial("127.0.0.1", self.inbound(workload))

    def connect_admin(self, workload):
        return dial("127.0.0.1", self.admin(workload))

    def connect_own(self, workload):
        """Past the mesh, as the owner of the program."""
        return dial("127.0.0.1", self.application_port(workload))

    def connect_control(self, port):
        return dial(self.control_host.address, port)

    def record(self, demo, workload, path):
        return demo.child("recorder", [sys.executable, os.path.join(HERE, "relay.py"), str(self.door(workload)), str(self.inbound(workload)), path],
                          self.door(workload))

    def curl(self, caller, service, path):
        return "curl -i -H 'Host: %s' http://127.0.0.1:%d%s" % (service, self.outbound(caller), path)

    def curl_admin(self, workload, path):
        return "curl -s http://127.0.0.1:%d%s" % (self.admin(workload), path)

    def curl_door(self, workload, path):
        return "curl -i http://127.0.0.1:%d%s" % (self.inbound(workload), path)

    def close(self):
        pass


class Hosts:
    """Each workload has a network namespace; tulle-init redirects its connections, and its program knows nothing of the mesh."""

    transparent = True
    CONTROL_PORTS = (15012, 15016, 15014)
    APPLICATION_PORT = 8080

    def __init__(self, folder):
        self.folder = folder
        os.chmod(folder, 0o755)
        self.network = netns.Network("tulle-demo")
        self.control_host = self.network.hub
        self.hosts = {}
        self.vips = {}
        self.init = self.program(processes.binary("k8s/init/tulle-init"))

    def describe(self):
        return "each in its own network namespace, with redirected connections"

    def check_free(self, workloads):
        pass

    def program(self, path):
        """A copy where the sidecar's user may read it."""
        target = os.path.join(self.folder, os.path.basename(path))
        return target if os.path.exists(target) else shutil.copy(path, target)

    def give(self, path):
        os.chown(path, UID, UID)

    def application_port(self, workload):
        return 6379 if workload.service == "redis" else self.APPLICATION_PORT

    def prepare(self, workload):
        host = self.network.add(workload.tag)
        self.hosts[workload.tag] = host
        # Without it some connections take 1 s to open: docs/transparent.md, "Troubleshooting".
        host.run("sh", "-c", "echo 2 > /proc/sys/net/ipv4/tcp_timestamps")
        host.run(self.init)

    def argv(self, workload, *argv, sidecar=False):
        return self.hosts[workload.tag].argv(*argv, uid=UID if sidecar else None)

    def sidecar_arguments(self, workload):
        argv = ["--transparent", "--admin", "127.0.0.1:15000"]
        for application, service, _ in workload.ports(self.application_port(workload)):
            argv += ["--port", "%d:%d" % (application, service)]
        return argv

    def service_arguments(self, workload):
        del workload
        return ["--listen", "everywhere"]

    def address(self, caller, service):
        del caller
        return self.vips[service], 6379 if service == "redis" else 80

    def connect(self, caller, service):
        return self.hosts[caller.tag].call(dial, *self.address(caller, service))

    def connect_door(self, workload):
        return self.network.hub.call(dial, self.hosts[workload.tag].address, self.application_port(workload))

    def connect_admin(self, workload):
        return self.hosts[workload.tag].call(dial, "127.0.0.1", 15000)

    def connect_own(self, workload):
        return self.hosts[workload.tag].call(dial, "127.0.0.1", self.application_port(workload))

    def connect_control(self, port):
        return self.network.hub.call(dial, self.control_host.address, port)

    def record(self, demo, workload, path):
        child = demo.child("recorder", self.argv(workload, sys.executable, os.path.join(HERE, "recorder.py"), "eth0", path))
        processes.wait_until(lambda: os.path.exists(path), "the recorder runs")
        return child

    def _inside(self, workload, command):
        host = self.hosts[workload.tag]
        return "%sip netns exec %s %s" % (host.typed_prefix, host.name, command)

    def curl(self, caller, service, path):
        return self._inside(caller, "curl -i http://%s%s" % (self.vips[service], path))

    def curl_admin(self, workload, path):
        return self._inside(workload, "curl -s http://127.0.0.1:15000" + path)

    def curl_door(self, workload, path):
        return "%sip netns exec %s curl -i http://%s:%d%s" % (
            self.network.hub.typed_prefix, self.network.hub.name, self.hosts[workload.tag].address, self.application_port(workload), path)

    def close(self):
        self.network.close()
        subprocess.run(["rm", "-f", os.path.join(self.folder, "tulle-init")], check=False)
