"""The mesh of the shop as users run it: tulle-control, join tokens, and policy by tullectl."""
import json
import os
import ssl
import subprocess

import control
import raw

SPIFFE = "spiffe://cluster.local/ns/default/sa/"
SHOP_POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: everybody}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
"""
SPLIT_POLICY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post}
spec:
  parentRefs: [{kind: Service, name: post, port: 80}]
  rules:
  - backendRefs: [{name: post-v1, port: 80, weight: %d}, {name: post-v2, port: 80, weight: %d}]
"""
# Nothing is sent twice by the mesh: what fails, fails.
NO_RETRIES = """\
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: %s-once}
spec:
  targetRef: {kind: Service, name: %s}
  retries: {attempts: 0}
"""


class ControlledMesh(control.ControlPlane):
    """The control plane of the shop: its policies, and what it knows of the workloads."""

    def __init__(self, folder, workloads, split, place):
        super().__init__(folder, place.CONTROL_PORTS, place.control_host)
        self.workloads = workloads
        self.split = split
        self.place = place

    def make_tokens(self):
        for workload in self.workloads.values():
            services = sorted({workload.service, workload.name})
            flags = [flag for service in services for flag in ("--service", service)]
            self.write_token(self.token_of(workload), *flags, "--account", workload.account)

    def token_of(self, workload):
        return os.path.join(self.folder, workload.name + ".token")

    def apply_shop(self):
        self.apply(SHOP_POLICY + "---\n" + SPLIT_POLICY % (self.split["v1"], self.split["v2"]))

    def apply_split(self, v1, v2):
        return self.apply(SPLIT_POLICY % (v1, v2))

    def no_retries(self):
        services = sorted({w.service for w in self.workloads.values() if w.has_application and w.service not in ("lab", "redis")} | {"post-v1", "post-v2"})
        self.apply("---\n".join(NO_RETRIES % (service, service) for service in services))

    # -- what it knows

    def all_in_sync(self):
        """All sidecars are connected and have acknowledged the newest version; False while the control plane cannot be asked."""
        try:
            proxies = self.proxies()
        except (control.Refused, subprocess.TimeoutExpired):
            return False
        return len(proxies) >= len(self.workloads) and all(p["connected"] and p["synced"] for p in proxies)

    def spans(self, trace):
        """Of one trace, as the API lists them."""
        with open(self.admin_file, encoding="utf-8") as file:
            admin = json.load(file)
        context = ssl.create_default_context(cadata=admin["ca"])
        context.check_hostname = False
        sock = context.wrap_socket(self.place.connect_control(self.api))
        answer = raw.get(0, "/v1/traces/" + trace, host="tulle-control", headers=[("Authorization", "Bearer " + admin["credential"])], sock=sock)
        return json.loads(answer.body)["spans"] if answer.status == 200 else []

    # -- the sidecars

    def arguments(self, workload):
        state = os.path.join(self.folder, workload.tag + ".state")
        os.makedirs(state, mode=0o700, exist_ok=True)
        for path in (state, self.token_of(workload)):
            self.place.give(path)
        return ["--control", self.sidecars_address, "--token-file", self.token_of(workload), "--state-dir", state,
                "--name", workload.name, "--workers", str(workload.workers)]
