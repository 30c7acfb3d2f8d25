"""A sidecar holds what it uses: its memory does not grow with the mesh around it."""
import os
import time

import pytest

import processes
from mesh import Mesh
from test_redirection import connect
from transparent_mesh import TransparentMesh

SERVICES = 1000
USED = 10
MOST_KIB = 1024
EXTERNAL = """\
apiVersion: tulle.dev/v1alpha1
kind: ExternalService
metadata: {name: %s-%d}
spec:
  hosts: [%s-%d.example.com]
  ports: [{number: 443, protocol: tcp}, {number: 80, protocol: http}]
  endpoints: [192.0.2.%d]
"""


def externals(name, count):
    return "---\n".join(EXTERNAL % (name, i, name, i, i % 250 + 1) for i in range(count))


def resident_kib(pid):
    with open("/proc/%d/status" % pid, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def settled_kib(pid):
    """The memory of a process once it does not change any more."""
    former = 0
    for _ in range(100):
        now = resident_kib(pid)
        if now == former:
            return now
        former = now
        time.sleep(0.3)
    return former


class Explicit:
    """A sidecar with a port for each service that it uses."""

    def __init__(self, folder):
        self.mesh = Mesh(folder)

    def start(self, name):
        mesh = self.mesh
        mesh.make_token(name)
        workload = mesh.new_workload(name)
        ports = [processes.free_port() for _ in range(USED)]
        flags = [word for i, port in enumerate(ports) for word in ("--outbound-tcp", "used-%d:443=%d" % (i, port))]
        sidecar = mesh.start([
            mesh.binary("sidecar/tulle-sidecar"), "--control", mesh.sidecars_address, "--token-file", mesh.path(name + ".token"),
            "--state-dir", workload.state, "--admin", "127.0.0.1:%d" % workload.admin, "--name", name, *flags], name)
        for port in ports:
            processes.wait_until(lambda port=port: processes.listening(port), "port %d listens" % port, 40)
        workload.sidecar = sidecar
        mesh.wait_in_step(workload)
        saved = os.path.join(workload.state, "last-good.pb")
        processes.wait_until(lambda: os.path.exists(saved), "its configuration is saved", 40)
        return sidecar


class Transparent:
    """A sidecar whose application connects to each service that it uses."""

    def __init__(self, folder):
        self.mesh = TransparentMesh(folder)

    def start(self, name):
        member = self.mesh.add(name, "--port", "8080:80/http")
        addresses = self.mesh.virtual_addresses()
        for i in range(USED):
            address = addresses["used-%d.example.com" % i]
            connect(member.host, address, 443).close()
            processes.wait_until(lambda listener=address + "_443": listener in self.listeners(member), "%s is fetched" % address, 20)
        return member.sidecar

    @staticmethod
    def listeners(member):
        return member.host.run("curl", "-s", "http://127.0.0.1:15000/listeners")


@pytest.fixture(params=[Explicit, Transparent], ids=["explicit", "transparent"])
def sidecars(tmp_path, request):
    made = request.param(tmp_path)
    yield made
    made.mesh.close()


def start(sidecars, name):
    """A fresh sidecar that uses its ten services; returns its memory."""
    sidecar = sidecars.start(name)
    kib = settled_kib(sidecar.process.pid)
    sidecar.stop()
    return kib


@pytest.mark.skipif(processes.SANITIZED, reason="a sanitizer's memory is not the sidecar's")
def test_a_thousand_services_that_it_does_not_use_cost_a_sidecar_next_to_nothing(sidecars):
    sidecars.mesh.tullectl("apply", "-f", "-", text=externals("used", USED))
    start(sidecars, "first")  # so that the services of all runs are the same
    small = start(sidecars, "small")
    sidecars.mesh.tullectl("apply", "-f", "-", text=externals("external", SERVICES))
    large = start(sidecars, "large")
    assert large - small <= MOST_KIB, "%d KiB in a small mesh, %d KiB among %d more services" % (small, large, SERVICES)
