"""ResiliencePolicy's loadBalancing and healthCheck, from the command line to the wire, over mutual TLS."""
import processes
import pytest
import raw
from mesh import Mesh, Refused
from origin import reply

POLICY = """
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
"""


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


@pytest.fixture
def pair(mesh):
    """mesh, web that calls, post that is called."""
    return mesh, mesh.add("web"), mesh.add("post")


def call(web, **options):
    return raw.get(web.outbound, host="post", **options)


def clusters(workload):
    return raw.get(workload.admin, "/clusters", host="127.0.0.1").body.decode()


def test_a_cookie_keeps_a_caller_at_its_endpoint(pair):
    mesh, web, _ = pair
    processes.wait_until(lambda: call(web).status == 200, "post does not answer")
    mesh.tullectl("apply", "-f", "-", text=POLICY + "  loadBalancing: consistentHash\n  hashOn: {cookie: {name: lb, ttl: 1h, path: /}}\n")
    processes.wait_until(lambda: call(web).header("set-cookie"), "no cookie is made")
    [cookie] = call(web).header("set-cookie")
    assert cookie.startswith('lb="') and "Max-Age=3600; Path=/; HttpOnly" in cookie
    assert not call(web, headers=[("cookie", cookie.split(";")[0])]).header("set-cookie")
    with pytest.raises(Refused, match="hashOn"):
        mesh.tullectl("apply", "-f", "-", text=POLICY + "  loadBalancing: consistentHash\n")


def test_peak_ewma_is_in_force(pair):
    mesh, web, _ = pair
    mesh.tullectl("apply", "-f", "-", text=POLICY + "  loadBalancing: peakEwma\n")
    processes.wait_until(lambda: "PEAK_EWMA" in raw.get(web.admin, "/clusters?format=json", host="127.0.0.1").body.decode(), "another policy is in force")
    assert call(web).status == 200


def test_health_checks_go_through_the_mesh(pair):
    """The check dials by mutual TLS like a request: the called sidecar hands it to its application."""
    mesh, web, post = pair
    well = {"now": True}
    post.origin.answer = lambda request, sock: reply(b"", "200 OK" if well["now"] or request.path != "/healthz" else "500 Sick")
    mesh.tullectl("apply", "-f", "-", text=POLICY + "  healthCheck: {path: /healthz, interval: 100ms, unhealthyAfter: 2}\n")
    processes.wait_until(lambda: any(r.path == "/healthz" for r in post.origin.requests), "nobody asks")
    assert call(web).status == 200
    well["now"] = False
    processes.wait_until(lambda: "/failed_active_hc" in clusters(web), "it is not found to be sick")
    assert call(web).status == 503
    well["now"] = True
    processes.wait_until(lambda: "/failed_active_hc" not in clusters(web), "it is not found to be well")
    assert call(web).status == 200
