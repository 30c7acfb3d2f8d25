"""What tests of a sidecar under a management server share: its TLS contexts, and clients that see how a connection ends."""
import socket
import ssl

import ads
import bootstrap
import pki

SERVER = pki.spiffe("server")


def tls_socket(kind, names, **options):
    common = {"tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
              "tls_certificate_sds_secret_configs": [ads.sds("default")],
              "combined_validation_context": {
                  "default_validation_context": {"match_typed_subject_alt_names": names},
                  "validation_context_sds_secret_config": ads.sds("ROOTCA")}, "alpn_protocols": options.pop("alpn", [])}
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.transport_sockets.tls.v3.%sTlsContext" % kind, "common_tls_context": common, **options}}


def connect(port, identity, alpn=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(identity.chain_path, identity.key_path)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10))


def is_reset(sock):
    """Ended without TLS's orderly end; read below TLS, which hides how."""
    with socket.socket(fileno=sock.detach()) as bare:
        bare.settimeout(10)
        try:
            bare.recv(10)
            return False
        except ConnectionResetError:
            return True
