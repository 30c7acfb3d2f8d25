"""A management server of the tests: delta ADS over gRPC, with what a test puts into it."""
import glob
import os
import queue
import subprocess
import threading
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

import bootstrap
import processes

PROTOS = os.path.join(processes.ROOT, "xds", "proto")
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
TYPES = {kind: bootstrap.TYPE + name for kind, name in {
    "listener": "config.listener.v3.Listener", "cluster": "config.cluster.v3.Cluster",
    "secret": "extensions.transport_sockets.tls.v3.Secret"}.items()}


class Messages:
    """The messages of xds/proto, from their sources."""

    def __init__(self, folder):
        out = os.path.join(str(folder), "descriptors")
        sources = glob.glob(PROTOS + "/**/*.proto", recursive=True)
        subprocess.run(["protoc", "-I", PROTOS, "--include_imports", "--descriptor_set_out=" + out, *sources], check=True)
        files = descriptor_pb2.FileDescriptorSet()
        with open(out, "rb") as file:
            files.ParseFromString(file.read())
        self.pool = descriptor_pool.DescriptorPool()
        for one in files.file:
            self.pool.Add(one)
        self.factory = message_factory.MessageFactory(self.pool)

    def type(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def encode(self, type_url, fields):
        message = self.type(type_url.split("/")[1])()
        json_format.ParseDict(fields, message, descriptor_pool=self.pool)
        return message.SerializeToString(deterministic=True)


class ManagementServer:
    """put(kind, resource) sends it to whoever asked for its kind, and returns once it is acknowledged."""

    def __init__(self, folder):
        self.messages = Messages(folder)
        self.request_type = self.messages.type("envoy.service.discovery.v3.DeltaDiscoveryRequest")
        self.response_type = self.messages.type("envoy.service.discovery.v3.DeltaDiscoveryResponse")
        self.lock = threading.Lock()
        self.resources = {}  # type URL -> name -> (version, bytes)
        self.streams = []
        self.nonces = 0
        self.answered = {}  # nonce -> error text, or None
        handler = grpc.stream_stream_rpc_method_handler(self._stream, self.request_type.FromString, lambda m: m.SerializeToString())
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
            METHOD.strip("/"), {"DeltaAggregatedResources": handler})])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def stop(self):
        # Its thread has ended before the next program is started: gRPC aborts when a process forks meanwhile.
        self.server.stop(0).wait(10)

    def put(self, kind, resource):
        type_url = TYPES[kind]
        with self.lock:
            known = self.resources.setdefault(type_url, {})
            version = str(int(known.get(resource["name"], ("0",))[0]) + 1)
            known[resource["name"]] = (version, self.messages.encode(type_url, resource))
            nonces = [self._send(stream, type_url, [resource["name"]]) for stream in self.streams if type_url in stream.asked]
        for nonce in nonces:
            processes.wait_until(lambda: nonce in self.answered, "%s is acknowledged" % resource["name"])
            assert self.answered[nonce] is None, self.answered[nonce]

    def _send(self, stream, type_url, names):
        self.nonces += 1
        response = self.response_type(type_url=type_url, nonce=str(self.nonces), system_version_info="1")
        for name in names:
            version, data = self.resources[type_url][name]
            one = response.resources.add(name=name, version=version)
            one.resource.type_url, one.resource.value = type_url, data
        stream.out.put(response)
        return response.nonce

    def _stream(self, requests, _):
        stream = _Stream()
        threading.Thread(target=self._read, args=(stream, requests), daemon=True).start()
        while True:
            response = stream.out.get()
            if response is None:
                return
            yield response

    def _read(self, stream, requests):
        with self.lock:
            self.streams.append(stream)
        try:
            for request in requests:
                with self.lock:
                    self._take(stream, request)
        except grpc.RpcError:
            pass
        with self.lock:
            self.streams.remove(stream)
        stream.out.put(None)

    def _take(self, stream, request):
        if request.response_nonce:
            self.answered[request.response_nonce] = request.error_detail.message if request.HasField("error_detail") else None
        wanted = list(request.resource_names_subscribe)
        known = self.resources.get(request.type_url, {})
        if request.type_url not in stream.asked:
            stream.asked.add(request.type_url)
            if not wanted:
                wanted = sorted(known)
        wanted = [name for name in wanted if name in known]
        if wanted:
            self._send(stream, request.type_url, wanted)


class _Stream:
    def __init__(self):
        self.out = queue.Queue()
        self.asked = set()


def dynamic_bootstrap(ads_port, admin_port):
    """A bootstrap that takes listeners and clusters from a management server."""
    made = bootstrap.bootstrap([], [bootstrap.cluster("ads", [ads_port], http2=True)], admin_port)
    made["dynamic_resources"] = {
        "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3",
                       "grpc_services": [{"envoy_grpc": {"cluster_name": "ads"}}]},
        "lds_config": {"ads": {}, "resource_api_version": "V3"}, "cds_config": {"ads": {}, "resource_api_version": "V3"}}
    return made


def sds(name):
    return {"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3"}}


def certificate_secret(name, identity):
    def text(path):
        with open(path, encoding="ascii") as file:
            return file.read()
    return {"name": name, "tls_certificate": {"certificate_chain": {"inline_string": text(identity.chain_path)},
                                              "private_key": {"inline_string": text(identity.key_path)}}}


def roots_secret(name, *authorities):
    roots = ""
    for authority in authorities:
        with open(authority.ca_path, encoding="ascii") as file:
            roots += file.read()
    return {"name": name, "validation_context": {"trusted_ca": {"inline_string": roots}}}
