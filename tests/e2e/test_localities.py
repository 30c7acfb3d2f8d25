"""ResiliencePolicy's localities, from the command line to the requests."""
import collections

import pytest

import processes
import raw
from mesh import Mesh
from origin import reply

POLICY = """
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  localities: %s
"""
PLACES = {"post-a": "eu/a", "post-b": "eu/b", "post-us": "us/x"}


@pytest.fixture
def world(tmp_path):
    """A caller in eu/a, and three instances of post, each of which answers by its name."""
    mesh = Mesh(tmp_path)
    try:
        mesh.make_token("post")
        posts = {name: start(mesh, name, place, "--service", "post", token="post") for name, place in PLACES.items()}
        mesh.make_token("web")
        web = start(mesh, "web", "eu/a")
        yield mesh, web, posts
    finally:
        mesh.close()


def start(mesh, name, locality, *arguments, token=None):
    workload = mesh.new_workload(name)
    workload.origin.answer = lambda request, sock: reply(name.encode())
    if token:
        with open(mesh.path(name + ".token"), "w", encoding="utf-8") as file:
            file.write(open(mesh.path(token + ".token"), encoding="utf-8").read())
    mesh.start_sidecar(workload, "--locality", locality, *arguments)
    workload.instance = mesh.wait_in_step(workload)
    processes.wait_until(lambda: processes.listening(workload.outbound), name + " listens")
    return workload


def answered(web, count=30):
    seen = collections.Counter()
    for _ in range(count):
        response = raw.get(web.outbound, host="post")
        seen[response.body.decode() if response.status == 200 else response.status] += 1
    return seen


def apply(mesh, web, localities, settled):
    mesh.tullectl("apply", "-f", "-", text=POLICY % localities)
    processes.wait_until(lambda: settled(answered(web)), localities + " is in force")


def test_the_own_zone_then_the_region_then_the_world(world):
    mesh, web, posts = world
    processes.wait_until(lambda: len(answered(web)) == 3, "all three are asked")
    apply(mesh, web, "{preferOwn: true}", lambda seen: set(seen) == {"post-a"})
    for name, heir in (("post-a", "post-b"), ("post-b", "post-us")):
        posts[name].sidecar.stop()
        processes.wait_until(lambda heir=heir: set(answered(web, 10)) == {heir}, heir + " takes over", 40)


def test_priorities_are_the_same_for_all(world):
    mesh, web, _ = world
    apply(mesh, web, "{priorities: [us, eu/b]}", lambda seen: set(seen) == {"post-us"})
    apply(mesh, web, "{priorities: [eu/b]}", lambda seen: set(seen) == {"post-b"})


def test_weights_share_out(world):
    mesh, web, _ = world
    # eu/a has the longest name that holds, us/x is not named and has 1.
    apply(mesh, web, "{weights: [{locality: eu, weight: 9}, {locality: eu/a, weight: 90}]}",
          lambda seen: seen["post-a"] >= 24 and sum(seen.values()) == 30)
    seen = answered(web, 300)
    assert seen["post-a"] >= 230 and 5 <= seen["post-b"] <= 60 and seen["post-us"] <= 20, seen
