"""The shop's workloads, and everything that runs."""
import collections
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import places
import processes
import raw
from controlled_mesh import SPIFFE, ControlledMesh

RATE = 400
SPLIT = {"v1": 90, "v2": 10}
# Short enough that certificates are renewed while the check runs.
SVID_TTL = "30s"
SERVICES_OF_GATEWAY = ("auth", "post", "image", "payment")


class Workload:
    """One service with its sidecar, or the customers' sidecar alone."""

    def __init__(self, number, service, version="v1", calls=(), has_application=True, recorded=False, workers=1):
        self.number = number
        self.service = service
        self.version = version
        self.name = self.account = "post-" + version if service == "post" else service
        self.tag = "%s-%d" % (self.name, number)  # of its files and its host: a successor has its own
        self.calls = calls
        self.has_application = has_application
        self.recorded = recorded
        self.workers = workers
        self.program = self.sidecar = None

    def ports(self, application):
        """(the program's, the service's, protocol)"""
        if not self.has_application:
            return []
        return [(application, 6379, "tcp") if self.service == "redis" else (application, 80, "http")]


def shop():
    members = [
        Workload(0, "customers", calls=("gateway", *SERVICES_OF_GATEWAY, "lab"), has_application=False, workers=2),
        Workload(1, "gateway", calls=SERVICES_OF_GATEWAY),
        Workload(2, "auth"),
        Workload(3, "post"),
        Workload(4, "post", "v2"),
        Workload(5, "image"),
        Workload(6, "payment", recorded=True),
        Workload(7, "lab"),
    ]
    if processes.program("redis-server"):
        members.append(Workload(9, "redis"))
    return collections.OrderedDict((w.name, w) for w in members)


class Demo:
    """Everything that runs; `with` starts it and ends it."""

    def __init__(self, explicit_ports=False):
        self.folder = tempfile.mkdtemp(prefix="tulle-demo-")
        self.children = []
        self.seconds = []
        self.total = None
        self.load = None
        self.died = []
        self.on_second = lambda second: None
        self.record = os.path.join(self.folder, "recorded")
        self.place = places.best(self.folder, explicit_ports)
        self.workloads = shop()
        self.mesh = ControlledMesh(self.folder, self.workloads, SPLIT, self.place)

    def child(self, name, argv, port=None):
        child = processes.Child(argv, os.path.join(self.folder, name + ".log"))
        self.children.append(child)
        if port:
            child.wait_for_port(port)
        return child

    def __enter__(self):
        try:
            self.place.check_free(self.workloads.values())
            for workload in self.workloads.values():
                self.place.prepare(workload)
            self.start_control()
            self.mesh.make_tokens()
            self.mesh.apply_shop()
            recorded = next(w for w in self.workloads.values() if w.recorded)
            self.place.record(self, recorded, self.record)
            for workload in self.workloads.values():
                self.start_sidecar(workload)
            processes.wait_until(self.mesh.all_in_sync, "all sidecars have the newest configuration", 40)
            if self.place.transparent:
                self.place.vips = self.mesh.virtual_addresses()
            for workload in self.workloads.values():
                self.start_service(workload)
            processes.wait_until(self.answers, "the gateway answers through all sidecars", 40)
            return self
        except BaseException:
            self.stop()
            raise

    def start_control(self):
        self.control = self.child("control", self.mesh.control_argv("--svid-ttl", SVID_TTL))
        processes.wait_until(self.mesh.answers, "the control plane answers", 20)

    def start_service(self, workload):
        if not workload.has_application:
            return
        port = self.place.application_port(workload)
        if workload.service == "redis":
            argv = [processes.program("redis-server"), "--port", str(port), "--save", "", "--protected-mode", "no"]
        else:
            peers = [a for peer in workload.calls for a in ("--peer", "%s=%s:%d" % (peer, *self.place.address(workload, peer)))]
            argv = [processes.binary("tests/shop/service"), workload.service, str(port), "--version", workload.version, *peers,
                    *self.place.service_arguments(workload)]
        workload.program = self.child("service-" + workload.tag, self.place.argv(workload, *argv))
        processes.wait_until(lambda: self.listens(workload), workload.tag + " listens")

    def listens(self, workload):
        with contextlib.suppress(OSError):
            self.place.connect_own(workload).close()
            return True
        return False

    def start_sidecar(self, workload):
        argv = [self.place.program(processes.binary("sidecar/tulle-sidecar")), *self.mesh.arguments(workload), *self.place.sidecar_arguments(workload)]
        workload.sidecar = self.child("sidecar-" + workload.tag, self.place.argv(workload, *argv, sidecar=True))

    # -- asking

    def ask(self, service, path, caller="customers", **options):
        """A request of that workload's program."""
        return raw.get(0, path, host=service, sock=self.place.connect(self.workloads[caller], service), **options)

    def ask_own(self, workload, path, **options):
        return raw.get(0, path, sock=self.place.connect_own(workload), **options)

    def admin(self, workload, path):
        return raw.get(0, path, host="localhost", sock=self.place.connect_admin(workload))

    def answers(self):
        tries = (("/blog/1", "GET"), ("/image/1", "GET"), ("/pay", "POST"))
        try:
            return all(self.ask("gateway", path, method=method, body=b"x" if method == "POST" else b"",
                                headers=[("Authorization", "t")]).status == 200 for path, method in tries)
        except (OSError, EOFError):
            return False

    def instance_of(self, name):
        return next(p["name"] for p in self.mesh.proxies() if p["spiffeId"] == SPIFFE + self.workloads[name].account)

    def count_of(self, name):
        account = SPIFFE + self.workloads[name].account
        return sum(p["spiffeId"] == account and p["connected"] and p["synced"] for p in self.mesh.proxies())

    # -- load

    def load_argv(self, service, *arguments):
        customers = self.workloads["customers"]
        host, port = self.place.address(customers, service)
        return self.place.argv(customers, processes.binary("tests/shop/load"), "%s:%d" % (host, port), "--host", service, *arguments)

    def run_load(self, service, *arguments):
        """The total of one run."""
        done = subprocess.run(self.load_argv(service, *arguments), capture_output=True, text=True, check=False, timeout=90)
        return json.loads(done.stdout.strip().splitlines()[-1])

    def start_load(self):
        self.load = subprocess.Popen(self.load_argv("gateway", "--rate", str(RATE)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                     start_new_session=True)
        self.reader = threading.Thread(target=self.read_load, daemon=True)
        self.reader.start()

    def start_flaky_load(self):
        """A service that fails now and then, for those who look for it: one of twenty requests, five a second."""
        self.child("flaky-load", self.load_argv("lab", "--path", "/flaky/5", "--rate", "5", "--threads", "1"))

    def read_load(self):
        for line in self.load.stdout:
            result = json.loads(line)
            if result["what"] == "total":
                self.total = result
            else:
                self.seconds.append(result)
                self.on_second(result)

    def failed_so_far(self):
        return sum(second["failed"] for second in self.seconds)

    def failed_since(self, before):
        """The load tells of a second when it is over."""
        time.sleep(1.2)
        return self.failed_so_far() - before

    def stop_load(self):
        self.load.terminate()
        self.load.wait(15)
        self.reader.join(5)
        return self.total

    # -- the end

    def forget(self, *children):
        self.children = [c for c in self.children if c not in children]

    def stop(self):
        if self.load and self.load.poll() is None:
            self.load.kill()
            self.load.wait()
        for child in reversed(self.children):
            if child.running():
                child.process.send_signal(signal.SIGTERM)
        for child in self.children:
            child.stop()
        self.died = [c.argv[0] for c in self.children if c.process.returncode not in (0, -signal.SIGTERM)]
        self.place.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_):
        self.stop()
