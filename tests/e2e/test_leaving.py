"""A workload that goes: it leaves the mesh before its application ends, and what the application refuses is served by another."""
import concurrent.futures
import subprocess
import time

import pytest

import processes
import raw
from mesh import Mesh
from origin import reply

MARK = "x-tulle-unprocessed"


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def add_second(mesh, name, service, *arguments):
    """Another instance of a service."""
    made = mesh.new_workload(name)
    mesh.write_token(mesh.path(name + ".token"), "--service", service)
    mesh.start_sidecar(made, *arguments)
    made.instance = mesh.wait_in_step(made)
    return made


def leave(admin):
    return subprocess.run([processes.binary("sidecar/tulle-sidecar"), "--leave", "--admin", "127.0.0.1:%d" % admin],
                          capture_output=True, text=True, timeout=20, check=False)


def wait_for_both(caller, *workloads):
    def served():
        raw.get(caller.outbound, host="post")
        return all(workload.origin.requests for workload in workloads)
    processes.wait_until(served, "both endpoints are used")


def test_what_an_ended_application_refuses_is_served_by_another(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    other = add_second(mesh, "other", "post")
    wait_for_both(caller, post, other)
    other.origin.close()
    # To others than members it is a 503 like any other.
    direct = raw.get(other.inbound, host="post")
    assert direct.status == 503 and not direct.header(MARK)
    answers = [raw.get(caller.outbound, host="post", method=method) for method in ("GET", "POST") * 50]
    assert [answer.status for answer in answers] == [200] * 100
    post.origin.close()
    last = raw.get(caller.outbound, host="post")
    assert last.status == 503 and not last.header(MARK)


def test_all_that_an_ended_application_refuses_at_once_is_served_by_another(mesh):
    """More than the budget of retries allows."""
    post, caller = mesh.add("post"), mesh.add("caller")
    other = add_second(mesh, "other", "post")
    wait_for_both(caller, post, other)

    def slowly(request, sock):
        time.sleep(0.5)
        return reply(b"")
    post.origin.answer = slowly
    other.origin.close()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda method: raw.get(caller.outbound, host="post", method=method), ("GET", "POST") * 20))
    assert [answer.status for answer in answers] == [200] * 40


def test_an_application_cannot_say_so(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    post.origin.answer = lambda request, sock: reply(b"", "503 Service Unavailable", headers=[MARK.encode() + b": true"])
    processes.wait_until(lambda: raw.get(caller.outbound, host="post").status == 503 and post.origin.requests, "the mesh answers")
    before = len(post.origin.requests)
    answer = raw.get(caller.outbound, host="post")
    assert answer.status == 503 and not answer.header(MARK)
    assert len(post.origin.requests) == before + 1


def test_leaving_withdraws_the_endpoint_and_serves_on(mesh):
    health = processes.free_port()
    post, caller = mesh.add("post"), mesh.add("caller")
    other = add_second(mesh, "other", "post", "--health", "127.0.0.1:%d" % health)
    wait_for_both(caller, post, other)
    assert b"127.0.0.1:%d" % other.inbound in raw.get(caller.admin, "/clusters", host="localhost").body
    assert raw.get(health, "/healthz/ready", host="localhost").status == 200
    for _ in range(2):  # the second finds it done
        done = leave(other.admin)
        assert (done.returncode, done.stderr) == (0, "")
    endpoint = b"127.0.0.1:%d" % other.inbound
    processes.wait_until(lambda: endpoint not in raw.get(caller.admin, "/clusters", host="localhost").body, "callers lose the endpoint")
    assert raw.get(health, "/healthz/ready", host="localhost").status == 503
    # Callers that have not heard of it, and its own calls, are served.
    assert raw.get(other.inbound, host="post").status == 200
    assert raw.get(other.outbound, host="caller").status == 200
    assert other.sidecar.running()
    assert other.sidecar.stop() == 0


def test_leaving_ends_without_a_control_plane(mesh):
    post = mesh.add("post")
    mesh.kill_control()
    assert leave(post.admin).returncode == 0
    assert raw.get(post.inbound, host="post").status == 200


def test_without_a_sidecar_leaving_fails_and_says_why():
    done = leave(processes.free_port())
    assert done.returncode == 1
    assert "no sidecar answers on 127.0.0.1:" in done.stderr and "Connection refused" in done.stderr
