"""A mesh whose workloads know nothing of it: each on a host of its own, its connections redirected by tulle-init."""
import json
import os
import subprocess

import mesh
import netns
import processes

UID = 1337
GRPC, API, HEALTH = 15012, 15016, 15014


class Member:
    """A host with redirection and a sidecar."""

    def __init__(self, name, host):
        self.name = name
        self.host = host
        self.sidecar = None


class TransparentMesh:
    """The control plane on the hub, members on hosts; ends and removes what it made."""

    def __init__(self, folder):
        netns.need_root()
        self.logs = str(folder)
        self.children = []
        self.members = {}
        self.network = netns.Network()
        self.files = netns.Readable()
        try:
            self.programs = {name: self.files.program(mesh.Mesh.binary(label)) for name, label in (
                ("control", "control-plane/tulle-control"), ("sidecar", "sidecar/tulle-sidecar"), ("init", "k8s/init/tulle-init"))}
            self.data = os.path.join(self.logs, "control")
            self.start_control()
        except BaseException:
            self.close()
            raise

    def start(self, host, name, *argv, uid=None):
        child = processes.Child(host.argv(*argv, uid=uid), os.path.join(self.logs, name + ".log"))
        self.children.append(child)
        return child

    def start_control(self):
        hub = self.network.hub
        self.control = self.start(
            hub, "control", self.programs["control"], "--data-dir", self.data, "--grpc", "%s:%d" % (hub.address, GRPC),
            "--api", "%s:%d" % (hub.address, API), "--health", "127.0.0.1:%d" % HEALTH, "--ip", hub.address)
        processes.wait_until(lambda: os.path.exists(os.path.join(self.data, "admin.json")) and self.answers(), "the control plane answers")

    def answers(self):
        try:
            return self.tullectl("status") is not None
        except mesh.Refused:
            return False

    def tullectl(self, *arguments, text=None):
        argv = self.network.hub.argv(mesh.Mesh.binary("control-plane/cli/tullectl"), "--server", "https://%s:%d" % (self.network.hub.address, API),
                                     "--credential-file", os.path.join(self.data, "admin.json"), *arguments)
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "HOME": self.logs})
        if done.returncode:
            raise mesh.Refused("tullectl %s: %s" % (" ".join(arguments), done.stderr or done.stdout))
        return done.stdout

    def add(self, name, *arguments, uid=UID, host=None):
        """A member that is its own service, on a host of its own unless one is given; in step with the control plane."""
        member = Member(name, host or self.network.add(name))
        self.members[name] = member
        member.host.run(self.programs["init"], "--proxy-uid", str(uid), "--proxy-gid", str(uid))
        token, state = self.files.path(name + ".token"), self.files.path(name + ".state")
        with open(token, "w", encoding="utf-8") as file:
            file.write(self.tullectl("token", "create", "--service", name, "-o", "raw"))
        os.mkdir(state, 0o700)
        for path in (token, state):
            os.chown(path, uid, uid)
        member.sidecar = self.start(
            member.host, name, self.programs["sidecar"], "--control", "%s:%d" % (self.network.hub.address, GRPC), "--token-file", token,
            "--state-dir", state, "--name", name, "--drain-quiet-ms", "0", "--transparent", *arguments, uid=uid)
        processes.wait_until(lambda: "ready" in member.sidecar.log() or not member.sidecar.running(), name + " is ready", 30)
        assert member.sidecar.running(), member.sidecar.log()
        return member

    def vip(self, service):
        """The virtual address, as the hosts file says it."""
        for line in self.tullectl("hosts").splitlines():
            words = line.split()
            if service in words[1:]:
                return words[0]
        raise AssertionError("no address of %s in:\n%s" % (service, self.tullectl("hosts")))

    def certificates(self, member):
        return json.loads(member.host.run("curl", "-s", "http://127.0.0.1:15000/certs"))

    def metrics(self, member):
        return member.host.run("curl", "-s", "http://127.0.0.1:15000/stats/prometheus")

    def close(self):
        for child in reversed(self.children):
            child.stop()
        self.files.close()
        self.network.close()
