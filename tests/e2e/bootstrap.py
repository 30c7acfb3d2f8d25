"""Envoy v3 bootstrap files for the sidecar under test, in the shapes that control planes push."""

TYPE = "type.googleapis.com/envoy."
HCM = TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}}


def address(port, host="127.0.0.1"):
    return {"socket_address": {"address": host, "port_value": port}}


def route(cluster="origin", match=None, **action):
    return {"match": match or {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s", **action}}


def http_filters(*before_router):
    return [*before_router, ROUTER]


def connection_manager(routes=None, *, codec="AUTO", filters=(), virtual_hosts=None, prefix="ingress", **options):
    """The HTTP filter; options are further fields of the connection manager."""
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": HCM, "stat_prefix": prefix, "codec_type": codec, "http_filters": http_filters(*filters),
        "route_config": {"name": "local", "validate_clusters": False, "virtual_hosts": virtual_hosts or [
            {"name": "all", "domains": ["*"], "routes": routes or [route()]}]},
        "use_remote_address": False, "normalize_path": True, **options}}


def tcp_proxy(cluster="origin", **options):
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": {
        "@type": TYPE + "extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp", "cluster": cluster, **options}}


def listener(port, *filters, tls=None, name=None, **options):
    chain = {"filters": list(filters)}
    if tls:
        chain["transport_socket"] = tls
    return {"name": name or "l%d" % port, "address": address(port), "filter_chains": [chain], **options}


def cluster(name="origin", ports=(), *, http2=False, tls=None, trailers=False, **options):
    protocol = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {"enable_trailers": trailers}}
    made = {"name": name, "type": "STATIC", "connect_timeout": "1s", "lb_policy": "ROUND_ROBIN",
            "load_assignment": {"cluster_name": name, "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address(p)}} for p in ports]}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol}}, **options}
    if tls:
        made["transport_socket"] = tls
    return made


def _common_tls(identity, alpn, sans):
    validation = {"trusted_ca": {"filename": identity.ca_path}}
    if sans:
        validation["match_typed_subject_alt_names"] = [{"san_type": "URI", "matcher": m} for m in sans]
    return {"tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [{"certificate_chain": {"filename": identity.chain_path},
                                  "private_key": {"filename": identity.key_path}}],
            "validation_context": validation, "alpn_protocols": alpn}


ANY_OF_DOMAIN = ({"prefix": "spiffe://cluster.local/"},)


def downstream_tls(identity, alpn=("h2", "http/1.1"), sans=ANY_OF_DOMAIN):
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": TYPE + "extensions.transport_sockets.tls.v3.DownstreamTlsContext", "require_client_certificate": True,
        "common_tls_context": _common_tls(identity, list(alpn), sans)}}


def upstream_tls(identity, alpn=("http/1.1",), sans=ANY_OF_DOMAIN, sni="server.test"):
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": TYPE + "extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": sni,
        "common_tls_context": _common_tls(identity, list(alpn), sans)}}


def rbac(policies, action="ALLOW"):
    return {"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": TYPE + "extensions.filters.http.rbac.v3.RBAC", "rules": {"action": action, "policies": policies}}}


def bootstrap(listeners, clusters, admin_port, **more):
    return {**more, "node": {"id": "test", "cluster": "test"}, "admin": {"address": address(admin_port)},
            "static_resources": {"listeners": listeners, "clusters": clusters}}
