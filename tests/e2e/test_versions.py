"""Versions two apart: what a newer side says and an older one does not know is passed over, in xDS and in our own protocols, both ways."""
import json
import os

import grpc
import pytest

import ads
import bootstrap
import processes
import raw
from mesh import Mesh
from origin import Origin

# Fields of a version to come: a number, a text, a message in it.
FUTURE = b"\xc0\xbb\x01\x2a" + b"\xca\xbb\x01\x05hello" + b"\xd2\xbb\x01\x04\xca\xbb\x01\x00"
REGISTRY = "/tulle.registry.v1.Registry/"
# What an older version of each message did not have yet.
SINCE = {
    "tulle.registry.v1.RegisterRequest": ["interception", "outbound", "service"],
    "tulle.registry.v1.Port": ["skipped", "listen_port", "application_port", "service_port"],
    "envoy.config.listener.v3.Listener": ["use_original_dst", "bind_to_port", "default_filter_chain", "traffic_direction"],
    "envoy.config.cluster.v3.Cluster": ["outlier_detection", "respect_dns_ttl", "dns_refresh_rate"],
    "envoy.config.core.v3.Node": ["client_features"],
}


class OlderMessages(ads.Messages):
    """The messages without what came since: their bytes are those of a program built from an older tree."""

    def __init__(self, folder):
        super().__init__(folder)
        files = ads.descriptor_pb2.FileDescriptorSet()
        with open(os.path.join(str(folder), "descriptors"), "rb") as file:
            files.ParseFromString(file.read())
        self.pool = ads.descriptor_pool.DescriptorPool()
        for one in files.file:
            for message in one.message_type:
                for name in SINCE.get(one.package + "." + message.name, []):
                    (field,) = [f for f in message.field if f.name == name]
                    message.field.remove(field)
            self.pool.Add(one)
        self.factory = ads.message_factory.MessageFactory(self.pool)


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def channel(mesh, service):
    """To tulle-control, with a certificate for that service."""
    folder = mesh.path("identity-" + service)
    mesh.tullectl("token", "create", "--service", service, "-o", "raw")
    mesh.tullectl("cert", "issue", "--service", service, "--out", folder, "--force")

    def read(name):
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()
    return grpc.secure_channel(
        "127.0.0.1:%d" % mesh.grpc, grpc.ssl_channel_credentials(read("ca.pem"), read("key.pem"), read("cert.pem")))


def register(mesh, service, bytes_):
    with channel(mesh, service) as made:
        call = made.unary_unary(REGISTRY + "Register", request_serializer=None, response_deserializer=None)
        return call(bytes_, timeout=10)


def test_a_newer_sidecar_is_registered_by_this_control_plane(mesh, tmp_path):
    messages = ads.Messages(tmp_path)
    request = messages.type("tulle.registry.v1.RegisterRequest")(instance_id="new-1", address="127.0.0.1")
    port = request.ports.add(number=18080, listen_port=18080, application_port=8080, service_port=80, protocol="http")
    port.MergeFromString(FUTURE)
    request.interception.MergeFromString(FUTURE)
    request.ClearField("interception")
    answer = register(mesh, "new", request.SerializeToString() + FUTURE)
    older = OlderMessages(tmp_path).type("tulle.registry.v1.RegisterResponse")()
    older.ParseFromString(answer + FUTURE)
    assert older.lease_id and older.ttl.seconds
    (service,) = [s for s in json.loads(mesh.tullectl("services", "-o", "json"))["items"] if s["name"] == "new"]
    assert service["ports"][0]["number"] == 80


def test_an_older_sidecar_is_registered_by_this_control_plane(mesh, tmp_path):
    request = OlderMessages(tmp_path).type("tulle.registry.v1.RegisterRequest")(instance_id="old-1", address="127.0.0.2")
    request.ports.add(number=8080, protocol="http")
    assert "application_port" not in request.ports[0].DESCRIPTOR.fields_by_name
    with pytest.raises(grpc.RpcError) as refused:
        register(mesh, "old", request.SerializeToString())
    # It cannot do without the application's port: that is said, instead of half of it being done.
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "port" in refused.value.details()
    request = ads.Messages(tmp_path).type("tulle.registry.v1.RegisterRequest")(instance_id="old-1", address="127.0.0.2")
    request.ports.add(number=18080, application_port=8080, protocol="http")
    assert register(mesh, "old", request.SerializeToString())
    assert "old" in mesh.tullectl("services")


@pytest.mark.parametrize("age", ["older", "newer"])
def test_a_client_of_another_version_gets_its_configuration(mesh, tmp_path, age):
    mesh.add("post")
    messages = OlderMessages(tmp_path) if age == "older" else ads.Messages(tmp_path)
    request_type = messages.type("envoy.service.discovery.v3.DeltaDiscoveryRequest")
    response_type = messages.type("envoy.service.discovery.v3.DeltaDiscoveryResponse")
    register(mesh, "probe", ads.Messages(tmp_path).type("tulle.registry.v1.RegisterRequest")(
        instance_id="probe-1", address="127.0.0.1", outbound={"http_port": processes.free_port()}).SerializeToString())
    request = request_type(type_url=ads.TYPES["cluster"])
    request.node.id = "probe-1"
    extra = b""
    if age == "newer":
        request.node.MergeFromString(FUTURE)
        extra = FUTURE
    with channel(mesh, "probe") as made:
        call = made.stream_stream(ads.METHOD + "DeltaAggregatedResources", request_serializer=None, response_deserializer=None)
        answers = call(iter([request.SerializeToString() + extra]), timeout=10)
        response = response_type()
        response.ParseFromString(next(answers))
        answers.cancel()
    clusters = {}
    for resource in response.resources:
        clusters[resource.name] = messages.type("envoy.config.cluster.v3.Cluster")()
        clusters[resource.name].ParseFromString(resource.resource.value)
    mine = clusters["outbound|80||post.default.svc.cluster.local"]
    assert mine.connect_timeout.seconds == 3 and mine.HasField("eds_cluster_config")


@pytest.mark.parametrize("features,gets", [([], False), (["tulle.fields.accept_http_10"], True)])
def test_a_field_that_an_older_sidecar_rejects_is_sent_only_to_those_that_name_it(mesh, tmp_path, features, gets):
    """A sidecar of 0.1.0 names no fields, and rejects a listener with accept_http_10."""
    messages = ads.Messages(tmp_path)
    register(mesh, "probe", messages.type("tulle.registry.v1.RegisterRequest")(
        instance_id="probe-1", address="127.0.0.1", outbound={"http_port": processes.free_port()}).SerializeToString())
    request = messages.type("envoy.service.discovery.v3.DeltaDiscoveryRequest")(type_url=ads.TYPES["listener"])
    request.node.id, request.node.user_agent_name, request.node.user_agent_version = "probe-1", "tulle", "0.1.0"
    request.node.client_features.extend(features)
    response = messages.type("envoy.service.discovery.v3.DeltaDiscoveryResponse")()
    with channel(mesh, "probe") as made:
        call = made.stream_stream(ads.METHOD + "DeltaAggregatedResources", request_serializer=None, response_deserializer=None)
        answers = call(iter([request.SerializeToString()]), timeout=10)
        response.ParseFromString(next(answers))
        answers.cancel()
    [resource] = response.resources
    listener = messages.type("envoy.config.listener.v3.Listener")()
    listener.ParseFromString(resource.resource.value)
    manager = messages.type("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager")()
    manager.ParseFromString(listener.filter_chains[0].filters[0].typed_config.value)
    assert manager.http_protocol_options.accept_http_10 == gets and manager.max_request_headers_kb.value == 60


class NewerServer(ads.ManagementServer):
    """Says in every message what a sidecar of today does not know; `high` in clusters too."""

    def __init__(self, folder):
        super().__init__(folder)
        self.future_of = {ads.TYPES["listener"]}
        plain_response, plain_encode = self.response_type, self.messages.encode

        def response(**fields):
            made = plain_response(**fields)
            made.MergeFromString(FUTURE)
            return made
        self.response_type = response
        self.messages.encode = lambda url, fields: plain_encode(url, fields) + (FUTURE if url in self.future_of else b"")


def test_a_newer_control_plane_drives_this_sidecar(tmp_path):
    management, origin = NewerServer(tmp_path), Origin()
    port, admin = processes.free_port(), processes.free_port()
    management.put("cluster", bootstrap.cluster("origin", [origin.port]))
    management.put("listener", bootstrap.listener(port, bootstrap.connection_manager([bootstrap.route("origin")]), name="in"))
    path = str(tmp_path / "bootstrap.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(ads.dynamic_bootstrap(management.port, admin), file)
    sidecar = processes.Child([Mesh.binary("sidecar/tulle-sidecar"), "-c", path], str(tmp_path / "sidecar.log"))
    try:
        sidecar.wait_for_port(port)
        processes.wait_until(lambda: raw.get(port, "/").status == 200, "it serves", 10)
        # A field of a cluster could change where traffic goes: that cluster is refused by name, the former one serves.
        management.future_of.add(ads.TYPES["cluster"])
        with pytest.raises(AssertionError, match="origin.<field 3000>: is unknown to this proxy"):
            management.put("cluster", {**bootstrap.cluster("origin", [origin.port]), "connect_timeout": "2s"})
        assert raw.get(port, "/").status == 200
    finally:
        sidecar.stop()
        management.stop()
        origin.close()
