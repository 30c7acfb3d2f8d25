"""Routes that lead in a circle."""
import bootstrap
import processes
import raw


def test_fault_48_a_route_to_itself_ends_after_ten_hops(run_sidecar):
    port = processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1"))], [bootstrap.cluster(ports=[port])])
    response = raw.get(port, "/")
    assert response.status == 508 and b"circle" in response.body
    samples = sidecar.metrics()
    hops = sum(v for (name, _), v in samples.items() if name == "http_requests_total")
    assert hops == 11  # ten that went on, and the one that was refused


def test_via_is_added_where_it_is_configured(run_sidecar, origin):
    port = processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1", via="1.1 mesh", always_set_request_id_in_response=True))],
                [bootstrap.cluster(ports=[origin.port])])
    response = raw.get(port, "/", headers=[("via", "1.0 other"), ("x-request-id", "mine")])
    assert response.header("via") == ["1.1 mesh"] and response.header("x-request-id") == ["mine"]
    assert origin.requests[0].header("via") == ["1.0 other, 1.1 mesh"]
