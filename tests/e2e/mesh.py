"""A small mesh of the real programs: tulle-control, tullectl and sidecars with origins behind them."""
import json
import os
import signal
import subprocess

import processes
from origin import Origin


class Workload:
    """One instance of a service: its origin, its ports, and the sidecar beside it."""

    def __init__(self, name, state):
        self.name = name
        self.state = state
        self.origin = Origin()
        self.inbound = processes.free_port()
        self.outbound = processes.free_port()
        self.admin = processes.free_port()
        self.sidecar = None
        self.instance = None


class Refused(Exception):
    """What tullectl said, of a command that failed."""


class Mesh:
    """Starts everything in a folder of its own; ends what it started."""

    def __init__(self, folder, *control_arguments):
        self.folder = str(folder)
        self.data = os.path.join(self.folder, "control")
        self.children = []
        self.workloads = []
        self.control_arguments = control_arguments
        self.grpc, self.api, self.health = (processes.free_port() for _ in range(3))
        self.control = None
        self.start_control()

    @staticmethod
    def binary(label):
        path = processes.binary(label)
        assert path, "%s is not built: bazel build //%s" % (label, label.replace("/tulle", ":tulle"))
        return path

    def start(self, argv, name):
        self.children.append(processes.Child(argv, os.path.join(self.folder, name + ".log")))
        return self.children[-1]

    def start_control(self):
        self.control = self.start([
            self.binary("control-plane/tulle-control"), "--data-dir", self.data, "--grpc", "127.0.0.1:%d" % self.grpc,
            "--api", "127.0.0.1:%d" % self.api, "--health", "127.0.0.1:%d" % self.health, *self.control_arguments], "control")
        self.control.wait_for_port(self.health)
        # It listens before it has written the admin's credential.
        processes.wait_until(lambda: "serving sidecars on" in self.control.log(), "tulle-control serves")

    def kill_control(self):
        self.control.stop(signal.SIGKILL)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def tullectl(self, *arguments, text=None):
        argv = [self.binary("control-plane/cli/tullectl"), "--credential-file", os.path.join(self.data, "admin.json"), *arguments]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "HOME": self.folder})
        if done.returncode:
            raise Refused("tullectl %s: %s" % (" ".join(arguments), done.stderr or done.stdout))
        return done.stdout

    def proxies(self):
        return json.loads(self.tullectl("status", "-o", "json"))["items"]

    def in_step(self, name):
        """The instance's name once its proxy is connected and has acknowledged all; else None."""
        try:
            mine = [p for p in self.proxies() if p["name"].startswith(name + "-") and p["connected"] and p["synced"]]
        except Refused:
            return None
        return mine[0]["name"] if mine else None

    def wait_in_step(self, workload):
        return processes.wait_until(lambda: self.in_step(workload.name),
                                    workload.name + " is in step:\n" + workload.sidecar.log()[-2000:], 40)

    def make_token(self, name):
        path = self.path(name + ".token")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.tullectl("token", "create", "--service", name, "-o", "raw"))
        return path

    def start_sidecar(self, workload, *arguments):
        workload.sidecar = self.start([
            self.binary("sidecar/tulle-sidecar"), "--control", "127.0.0.1:%d" % self.grpc,
            "--token-file", self.path(workload.name + ".token"), "--state-dir", workload.state,
            "--admin", "127.0.0.1:%d" % workload.admin, "--name", workload.name,
            "--inbound", "%d:%d:80/http" % (workload.inbound, workload.origin.port),
            "--outbound-http", str(workload.outbound), "--drain-quiet-ms", "0", "--workers", processes.WORKERS, *arguments], workload.name)

    def new_workload(self, name):
        """One without a sidecar yet."""
        self.workloads.append(Workload(name, self.path(name + ".state")))
        os.makedirs(self.workloads[-1].state, mode=0o700)
        return self.workloads[-1]

    def add(self, name):
        """A workload that is its own service, listening on port 80 of it; its sidecar is in step."""
        workload = self.new_workload(name)
        self.make_token(name)
        self.start_sidecar(workload)
        workload.instance = self.wait_in_step(workload)
        # In step with the roots alone it is too, before its registration has led to listeners.
        processes.wait_until(lambda: processes.listening(workload.outbound), name + " listens")
        return workload

    def close(self):
        for child in reversed(self.children):
            child.stop()
        for workload in self.workloads:
            workload.origin.close()
