"""A small mesh of the real programs on loopback: tulle-control, tullectl and sidecars with origins behind them."""
import os
import signal

import control
import processes
from control import Refused  # noqa: F401, for those who use a mesh
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


class Mesh(control.ControlPlane):
    """Starts everything in a folder of its own; ends what it started."""

    def __init__(self, folder, *control_arguments):
        super().__init__(folder, [processes.free_port() for _ in range(3)])
        self.children = []
        self.workloads = []
        self.control_arguments = control_arguments
        self.control = None
        self.start_control()

    binary = staticmethod(control.binary)

    def start(self, argv, name):
        self.children.append(processes.Child(argv, self.path(name + ".log")))
        return self.children[-1]

    def start_control(self):
        self.control = self.start(self.control_argv(*self.control_arguments), "control")
        self.control.wait_for_port(self.health)
        # It listens before it has written the admin's credential.
        processes.wait_until(lambda: "serving sidecars on" in self.control.log(), "tulle-control serves")

    def kill_control(self):
        self.control.stop(signal.SIGKILL)

    def wait_in_step(self, workload):
        return processes.wait_until(lambda: self.in_step(workload.name),
                                    workload.name + " is in step:\n" + workload.sidecar.log()[-2000:], 40)

    def make_token(self, name):
        return self.write_token(self.path(name + ".token"), "--service", name)

    def start_sidecar(self, workload, *arguments):
        workload.sidecar = self.start([
            self.binary("sidecar/tulle-sidecar"), "--control", self.sidecars_address,
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
