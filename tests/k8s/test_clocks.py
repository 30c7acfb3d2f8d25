"""Nodes whose clocks disagree. Only sidecars read the clock to judge certificates, so their clocks are set, by libfaketime; the
clock of the control plane is right."""
import json
import os

import pytest
import yaml

import image
from meshed import Mesh, STRICT, tullectl_inject
from processes import binary, wait_until
from workloads import load_python, pod, python, service

NS = "shop"
LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
IMAGE = image.name("sidecar-with-another-clock")


class Clocks:
    def __init__(self, cluster):
        self.cluster = cluster
        self.mesh = Mesh(cluster)
        self.mesh.policies(STRICT)
        load_python(cluster)
        root = cluster.path("image-clock")
        image.place_program(root, binary("sidecar/tulle-sidecar"), "/tulle-sidecar")
        image.place_program(root, LIBRARY)
        cluster.load_image(image.archive(cluster.path("clock.tar"), IMAGE, root, ["/tulle-sidecar"]))
        self.mesh.namespace(NS)

    def start(self, name, offset):
        """A pod whose sidecar's clock is off by so many seconds, and its Service."""
        made = yaml.safe_load(tullectl_inject(json.dumps(pod(NS, name, python("web", "web", 8080)))))
        sidecar = next(each for each in made["spec"]["initContainers"] if each["name"] == "tulle-sidecar")
        sidecar["image"] = IMAGE
        sidecar["env"] += [{"name": "LD_PRELOAD", "value": LIBRARY}, {"name": "FAKETIME", "value": "%+d" % offset},
                           # Timers are right: only the date is wrong.
                           {"name": "FAKETIME_DONT_FAKE_MONOTONIC", "value": "1"}]
        self.cluster.apply(made, service(NS, name, (80, 8080)))

    def is_ready(self, name):
        conditions = self.cluster.get("-n", NS, "pod", name)["status"].get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def call(self, caller, callee):
        done = self.cluster.try_kubectl("-n", NS, "exec", caller, "-c", "web", "--", "curl", "-sS", "-m", "10", "http://%s/" % callee)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def clocks(cluster):
    if not os.path.exists(LIBRARY):
        pytest.skip("libfaketime is not installed: run scripts/install-packages packages-kubernetes.txt")
    return Clocks(cluster)


def test_four_minutes_more_and_less_are_no_hindrance(clocks):
    clocks.start("behind", -240)
    clocks.start("ahead", +240)
    for name in ("behind", "ahead"):
        clocks.cluster.wait_for("condition=Ready", "-n", NS, "pod/" + name)
    for caller, callee in (("behind", "ahead"), ("ahead", "behind")):
        wait_until(lambda: clocks.call(caller, callee).startswith(callee), "%s calls %s" % (caller, callee))


def test_an_hour_behind_is_said_and_not_ready(clocks):
    clocks.start("slow", -3600)

    def log():
        return clocks.cluster.try_kubectl("-n", NS, "logs", "slow", "-c", "tulle-sidecar").stdout
    wait_until(lambda: "not yet valid" in log(), "the sidecar says what is wrong: " + log(), 60)
    print([line for line in log().splitlines() if "not yet valid" in line][0])
    assert not clocks.is_ready("slow")
