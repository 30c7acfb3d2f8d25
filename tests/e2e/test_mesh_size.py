"""A sidecar holds what it uses: its memory does not grow with the mesh around it."""
import os
import time

import pytest

import processes
from mesh import Mesh

SERVICES = 1000
USED = 10
MOST_KIB = 1024
EXTERNAL = """\
apiVersion: tulle.dev/v1alpha1
kind: ExternalService
metadata: {name: external-%d}
spec:
  hosts: [external-%d.example.com]
  ports: [{number: 443, protocol: tcp}, {number: 80, protocol: http}]
  endpoints: [192.0.2.%d]
"""


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


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


def explicit(_workload):
    used = [("--outbound-tcp", "used-%d:80=%d" % (i, processes.free_port())) for i in range(USED)]
    return [word for pair in used for word in pair]


def transparent(workload):
    return ["--transparent", "--port", "%d:80/http" % workload.origin.port,
            "--outbound-port", str(processes.free_port()), "--inbound-port", str(workload.inbound)]


def start(mesh, name, flags):
    """A fresh sidecar, in step; returns its memory."""
    mesh.make_token(name)
    workload = mesh.new_workload(name)
    workload.sidecar = mesh.start([
        mesh.binary("sidecar/tulle-sidecar"), "--control", "127.0.0.1:%d" % mesh.grpc, "--token-file", mesh.path(name + ".token"),
        "--state-dir", workload.state, "--admin", "127.0.0.1:%d" % workload.admin, "--name", name, *flags(workload)], name)
    mesh.wait_in_step(workload)
    processes.wait_until(lambda: os.path.exists(os.path.join(workload.state, "last-good.pb")), "its configuration is saved", 40)
    kib = settled_kib(workload.sidecar.process.pid)
    workload.sidecar.stop()
    return kib


@pytest.mark.skipif(processes.SANITIZED, reason="a sanitizer's memory is not the sidecar's")
@pytest.mark.parametrize("flags", [explicit, transparent], ids=["explicit", "transparent"])
def test_a_thousand_services_that_it_does_not_use_cost_a_sidecar_next_to_nothing(mesh, flags):
    start(mesh, "first", flags)  # so that the services of all runs are the same
    small = start(mesh, "small", flags)
    mesh.tullectl("apply", "-f", "-", text="---\n".join(EXTERNAL % (i, i, i % 250 + 1) for i in range(SERVICES)))
    large = start(mesh, "large", flags)
    assert large - small <= MOST_KIB, "%d KiB in a small mesh, %d KiB among %d more services" % (small, large, SERVICES)
