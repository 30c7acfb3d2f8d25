"""The mesh of the shop by bootstrap files alone: fixed certificates, fixed policy, no control plane."""
import json
import os

import bootstrap
import pki

SPIFFE = "spiffe://cluster.local/ns/default/sa/"


class StaticMesh:
    """Gives each workload a file for `tulle-sidecar -c`."""

    has_control_plane = False
    note = "This form of the demo has no control plane: the sidecars read static bootstrap files."

    def __init__(self, folder, workloads, split):
        self.folder = folder
        self.workloads = workloads
        self.split = split
        self.authority = pki.Authority(folder)
        self.identities = {w.name: self.authority.issue(w.account, [SPIFFE + w.account]) for w in workloads.values()}

    def arguments(self, workload):
        path = os.path.join(self.folder, workload.name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.bootstrap_of(workload), file, indent=1)
        return ["-c", path]

    def bootstrap_of(self, workload):
        listeners, clusters, hosts = [], [], []
        identity = self.identities[workload.name]
        if workload.application:
            manager = bootstrap.connection_manager([bootstrap.route("application")], prefix="inbound",
                                                   forward_client_cert_details="SANITIZE_SET", set_current_client_cert_details={"uri": True})
            listeners.append(bootstrap.listener(workload.inbound, manager, name="inbound", traffic_direction="INBOUND",
                                                tls=bootstrap.downstream_tls(identity, alpn=("http/1.1",))))
            clusters.append(bootstrap.cluster("application", [workload.application]))
        for service in workload.calls:
            servers = [w for w in self.workloads.values() if w.service == service]
            for server in servers:
                clusters.append(bootstrap.cluster(server.name, [server.dialled], tls=bootstrap.upstream_tls(
                    identity, sans=({"exact": SPIFFE + server.account},), sni=service)))
            hosts.append(self._virtual_host(service, servers))
        if hosts:
            listeners.append(bootstrap.listener(workload.outbound, bootstrap.connection_manager(virtual_hosts=hosts, prefix="outbound"),
                                                name="outbound", traffic_direction="OUTBOUND"))
        return bootstrap.bootstrap(listeners, clusters, workload.admin)

    def _virtual_host(self, service, servers):
        if len(servers) == 1:
            route = bootstrap.route(servers[0].name)
        else:
            route = {"match": {"prefix": "/"}, "route": {"timeout": "0s", "weighted_clusters": {
                "clusters": [{"name": w.name, "weight": self.split[w.version]} for w in servers]}}}
        return {"name": service, "domains": [service, service + ":*"], "routes": [route]}
