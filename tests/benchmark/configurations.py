"""Configurations of the proxies that are compared: one worker, keep-alive on both sides, the same TLS everywhere.

Each is a function (listen, upstream, folder, certificates) -> (argv, memory owner); Tulle and Envoy read the same file, set up as control
planes set a sidecar up: retry policy, circuit breakers, request ids, least request, client certificates handed on.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import bootstrap  # noqa: E402

FILTER = bootstrap.TYPE + "extensions.filters.http."
CLUSTER = "outbound|80||bench.ns.svc.cluster.local"


def _sidecar_manager(retries, **more):
    action = {"max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"}}
    if retries:
        action["retry_policy"] = {
            "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "num_retries": 2,
            "retriable_status_codes": [503], "host_selection_retry_max_attempts": 5,
            "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                "@type": bootstrap.TYPE + "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]}
    filters = [
        {"name": "envoy.filters.http.grpc_stats", "typed_config": {
            "@type": FILTER + "grpc_stats.v3.FilterConfig", "emit_filter_state": True, "stats_for_all_methods": False}},
        {"name": "envoy.filters.http.fault", "typed_config": {"@type": FILTER + "fault.v3.HTTPFault"}},
        {"name": "envoy.filters.http.cors", "typed_config": {"@type": FILTER + "cors.v3.Cors"}}]
    return bootstrap.connection_manager(
        codec="HTTP1", prefix="bench", filters=filters, stream_idle_timeout="0s", path_with_escaped_slashes_action="KEEP_UNCHANGED",
        virtual_hosts=[{"name": "bench.ns.svc.cluster.local:80", "domains": ["bench.local", "bench.ns", "bench.ns.svc", "*"],
                        "routes": [bootstrap.route(CLUSTER, **action)]}], **more)


def _sidecar(kind, listen, upstream, folder, certificates):
    limit = 4294967295
    tls_in = tls_out = None
    more = {}
    if kind == "out":
        tls_out = bootstrap.upstream_tls(certificates["client"])
    if kind == "in":
        tls_in = bootstrap.downstream_tls(certificates["server"], alpn=("http/1.1",))
        more = {"forward_client_cert_details": "APPEND_FORWARD", "set_current_client_cert_details": {"subject": True, "dns": True, "uri": True}}
    cluster = bootstrap.cluster(CLUSTER, [upstream], tls=tls_out, lb_policy="LEAST_REQUEST", circuit_breakers={"thresholds": [
        {"max_connections": limit, "max_pending_requests": limit, "max_requests": limit, "max_retries": limit, "track_remaining": True}]})
    cluster["connect_timeout"] = "5s"
    listener = bootstrap.listener(listen, _sidecar_manager(kind != "in", **more), tls=tls_in, tcp_backlog_size=4096,
                                  per_connection_buffer_limit_bytes=1048576)
    made = bootstrap.bootstrap([listener], [cluster], 0)
    del made["admin"]
    path = os.path.join(folder, "sidecar.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(made, file)
    return path


def tulle(binary):
    return lambda kind, *rest: [binary, "-c", _sidecar(kind, *rest)]


def envoy(binary):
    return lambda kind, *rest: [binary, "-c", _sidecar(kind, *rest), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]


def nginx(binary):
    def make(kind, listen, upstream, folder, certificates):
        server = client = ""
        if kind == "in":
            mine = certificates["server"]
            server = ("ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.3; ssl_ecdh_curve prime256v1; "
                      "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_client_certificate %s; ssl_verify_client on;"
                      % (mine.chain_path, mine.key_path, mine.ca_path))
        if kind == "out":
            mine = certificates["client"]
            client = ("proxy_ssl_certificate %s; proxy_ssl_certificate_key %s; proxy_ssl_trusted_certificate %s; proxy_ssl_verify on; "
                      "proxy_ssl_name server.test; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3; "
                      "proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;" % (mine.chain_path, mine.key_path, mine.ca_path))
        temps = " ".join("%s_temp_path %s/%s;" % (t, folder, t) for t in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("daemon off; worker_processes 1; pid %s/pid; error_log %s/error.log warn; worker_rlimit_nofile 20000;\n"
                       "events { worker_connections 8000; }\n"
                       "http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; %s\n"
                       " upstream u { server 127.0.0.1:%d; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }\n"
                       " server { listen 127.0.0.1:%d %s reuseport backlog=4096; %s\n"
                       "  location / { proxy_pass %s://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; "
                       "proxy_set_header Host $host; %s } } }\n"
                       % (folder, folder, temps, upstream, listen, "ssl" if kind == "in" else "", server,
                          "https" if kind == "out" else "http", client))
        return [binary, "-p", folder, "-e", folder + "/error.log", "-c", path]
    return make


def haproxy(binary):
    def make(kind, listen, upstream, folder, certificates):
        def pem(identity):
            path = os.path.join(folder, "both.pem")
            with open(path, "w", encoding="ascii") as out:
                for part in (identity.chain_path, identity.key_path):
                    with open(part, encoding="ascii") as file:
                        out.write(file.read())
            return path
        server = client = ""
        if kind == "in":
            mine = certificates["server"]
            server = "ssl crt %s ca-file %s verify required alpn http/1.1" % (pem(mine), mine.ca_path)
        if kind == "out":
            mine = certificates["client"]
            client = "ssl verify required ca-file %s crt %s sni str(server.test) verifyhost server.test" % (mine.ca_path, pem(mine))
        path = os.path.join(folder, "haproxy.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("""global
  nbthread 1
  maxconn 8000
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-bind-curves P-256
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend f
  bind 127.0.0.1:%d %s
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:%d pool-max-conn 512 %s
""" % (listen, server, upstream, client))
        return [binary, "-db", "-f", path]
    return make
