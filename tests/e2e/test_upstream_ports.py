"""A loopback port for one port of a service (`--outbound-tcp`, `tullectl run --upstream`), and what `tullectl run` warns of."""
import os
import re
import subprocess
import sys

import processes
import pytest
import raw
from mesh import Mesh
from origin import reply


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def requests_to(caller, service):
    text = raw.get(caller.admin, "/stats/prometheus", host="localhost").body.decode()
    return sum(float(value) for labels, value in re.findall(r"^istio_requests_total\{(.*)\} (\S+)$", text, re.M)
               if 'destination_service_name="%s"' % service in labels)


def test_an_http_port_is_routed_by_request_also_if_the_service_comes_later(mesh):
    port = processes.free_port()
    caller = mesh.new_workload("caller")
    mesh.make_token("caller")
    mesh.start_sidecar(caller, "--outbound-tcp", "web:80=%d" % port)
    mesh.wait_in_step(caller)
    processes.wait_until(lambda: processes.listening(port), "the port listens before the service exists")
    web = mesh.add("web")
    web.origin.answer = lambda request, sock: reply(body=request.path.encode())

    def answers():
        try:
            return raw.get(port, "/first").body == b"/first" and requests_to(caller, "web") > 0
        except (OSError, EOFError):
            return False
    processes.wait_until(answers, "the port is routed as HTTP")
    before = requests_to(caller, "web")
    with raw.Raw(port) as client:
        for number in range(3):
            client.send(b"GET /%d HTTP/1.1\r\nHost: anything\r\n\r\n" % number)
            assert client.response().body == b"/%d" % number
    processes.wait_until(lambda: requests_to(caller, "web") == before + 3, "requests of one connection are counted one by one")

    # The service's routes hold, as for calls by its name.
    mesh.apply("""\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{kind: Service, name: web, port: 80}]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302, hostname: example.org}}]}]
""")
    processes.wait_until(lambda: raw.get(port, "/").status == 302, "the route applies")


@pytest.mark.parametrize("address,warns", [("0.0.0.0", True), ("127.0.0.1", False)])
def test_run_warns_of_a_program_that_listens_on_every_address(mesh, address, warns):
    port = processes.free_port()
    program = "import socket, time; s = socket.create_server((%r, %d)); time.sleep(2)" % (address, port)
    argv = mesh._tullectl_argv(mesh.binary("control-plane/cli/tullectl"), "run", "--service", "web", "--port", str(port), "--control",
                               mesh.sidecars_address, "--sidecar", mesh.binary("sidecar/tulle-sidecar"), "--drain-time", "0", "--",
                               sys.executable, "-c", program)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "HOME": mesh.folder})
    assert done.returncode == 0, done.stderr
    assert ("other hosts can call it directly" in done.stderr) == warns, done.stderr
