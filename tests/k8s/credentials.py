"""Certificates, keys and kubeconfigs of a cluster."""
import datetime
import ipaddress
import json
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

API_SERVICE = "10.96.0.1"  # The first address of the service range is the API server's.


def _write(path, data):
    with open(path, "wb") as file:
        os.chmod(path, 0o600)
        file.write(data)


def _private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _subject(name, group):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Credentials:
    """One CA, and what it signs, in `folder`."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        os.makedirs(folder)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject("test-kubernetes", "")
        ca = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self._ca = ca.sign(self._key, hashes.SHA256())
        _write(self.path("ca.crt"), self._ca.public_bytes(serialization.Encoding.PEM))
        _write(self.path("ca.key"), _private(self._key))
        accounts = ec.generate_private_key(ec.SECP256R1())
        _write(self.path("accounts.key"), _private(accounts))
        _write(self.path("accounts.pub"), accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def path(self, name):
        return os.path.join(self.folder, name)

    def _builder(self, subject, key):
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=365)))

    def _issue(self, file, subject, usage, names):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(subject, key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(self.path(file + ".crt"), certificate.public_bytes(serialization.Encoding.PEM))
        _write(self.path(file + ".key"), _private(key))

    def serve(self, file, name, names):
        self._issue(file, _subject(name, ""), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, file, name, group=""):
        """A client certificate, and a kubeconfig that uses it; returns the kubeconfig's path."""
        self._issue(file, _subject(name, group), ExtendedKeyUsageOID.CLIENT_AUTH, ())
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": file}}],
            "clusters": [{"name": "test", "cluster": {"server": self.server, "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": file, "user": {"client-certificate": self.path(file + ".crt"),
                                              "client-key": self.path(file + ".key")}}],
        }
        path = self.path(file + ".kubeconfig")
        _write(path, json.dumps(config).encode())
        return path
