"""A mesh whose workloads know nothing of it: each on a host of its own, its connections redirected by tulle-init."""
import json
import os

import control
import netns
import processes

UID = 1337
PORTS = (15012, 15016, 15014)


class Member:
    """A host with redirection and a sidecar."""

    def __init__(self, name, host):
        self.name = name
        self.host = host
        self.sidecar = None


class TransparentMesh(control.ControlPlane):
    """The control plane on the hub, members on hosts; ends and removes what it made."""

    def __init__(self, folder):
        netns.need_root()
        self.logs = str(folder)
        self.children = []
        self.members = {}
        self.network = netns.Network()
        self.files = netns.Readable()
        try:
            super().__init__(folder, PORTS, self.network.hub)
            # The sidecar's user may not look where a build puts it.
            self.programs = {name: self.files.program(control.binary(label)) for name, label in (
                ("sidecar", "sidecar/tulle-sidecar"), ("init", "k8s/init/tulle-init"))}
            self.start_control()
        except BaseException:
            self.close()
            raise

    def _launch(self, name, argv):
        child = processes.Child(argv, os.path.join(self.logs, name + ".log"))
        self.children.append(child)
        return child

    def start(self, host, name, *argv, uid=None):
        return self._launch(name, host.argv(*argv, uid=uid))

    def start_control(self):
        self.control = self._launch("control", self.control_argv())
        processes.wait_until(self.answers, "the control plane answers")

    def add(self, name, *arguments, uid=UID, host=None):
        """A member that is its own service, on a host of its own unless one is given; in step with the control plane."""
        member = Member(name, host or self.network.add(name))
        self.members[name] = member
        member.host.run(self.programs["init"], "--proxy-uid", str(uid), "--proxy-gid", str(uid))
        token, state = self.write_token(self.files.path(name + ".token"), "--service", name), self.files.path(name + ".state")
        os.mkdir(state, 0o700)
        for path in (token, state):
            os.chown(path, uid, uid)
        member.sidecar = self.start(
            member.host, name, self.programs["sidecar"], "--control", self.sidecars_address, "--token-file", token,
            "--state-dir", state, "--name", name, "--drain-quiet-ms", "0", "--transparent", *arguments, uid=uid)
        processes.wait_until(lambda: "ready" in member.sidecar.log() or not member.sidecar.running(), name + " is ready", 30)
        assert member.sidecar.running(), member.sidecar.log()
        return member

    def vip(self, service):
        """The virtual address, as the hosts file says it."""
        return self.virtual_addresses()[service]

    def certificates(self, member):
        return json.loads(member.host.run("curl", "-s", "http://127.0.0.1:15000/certs"))

    def metrics(self, member):
        return member.host.run("curl", "-s", "http://127.0.0.1:15000/stats/prometheus")

    def close(self):
        for child in reversed(self.children):
            child.stop()
        self.files.close()
        self.network.close()
