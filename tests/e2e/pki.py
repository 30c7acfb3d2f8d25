"""Certificates of the tests, good and bad."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Identity:
    """Paths of a chain, its key and the root that the owner trusts."""

    def __init__(self, folder, name, chain, key, ca_path):
        self.chain_path = os.path.join(folder, name + ".crt")
        self.key_path = os.path.join(folder, name + ".key")
        self.ca_path = ca_path
        with open(self.chain_path, "wb") as file:
            file.write(b"".join(map(_pem, chain)))
        with open(self.key_path, "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        os.chmod(self.key_path, 0o600)


class Authority:
    """A root that signs what it is told to, good or bad."""

    def __init__(self, folder, name="root"):
        self.folder = str(folder)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.ca_path = os.path.join(self.folder, name + "-ca.crt")
        subject = _name("test " + name)
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(sign=False, cert_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256()))
        with open(self.ca_path, "wb") as file:
            file.write(_pem(self.certificate))

    def issue(self, name, uris, *, start=-60, end=3600, ca=False, cert_sign=False, client=True, server=True, dns=(), key=None,
              issuer=None, ca_path=None):
        """Times are seconds from now. `issuer` signs instead of this root."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        sign_key, sign_name = (issuer[1], issuer[0].subject) if issuer else (self.key, self.certificate.subject)
        names = [x509.UniformResourceIdentifier(u) for u in uris] + [x509.DNSName(d) for d in dns]
        builder = (
            x509.CertificateBuilder().subject_name(_name(name)).issuer_name(sign_name).public_key(own.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(seconds=start))
            .not_valid_after(now + datetime.timedelta(seconds=end))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(sign=True, cert_sign=cert_sign or ca), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        usages = [u for u, wanted in ((ExtendedKeyUsageOID.CLIENT_AUTH, client), (ExtendedKeyUsageOID.SERVER_AUTH, server)) if wanted]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        leaf = builder.sign(sign_key, hashes.SHA256())
        chain = [leaf] + ([issuer[0]] if issuer else [])
        return Identity(self.folder, name, chain, own, ca_path or self.ca_path)

    def self_signed(self, name, uri):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        leaf = (x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(name)).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=1))
                .not_valid_after(now + datetime.timedelta(hours=1))
                .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
                .sign(key, hashes.SHA256()))
        return Identity(self.folder, name, [leaf], key, self.ca_path)


def _usage(sign, cert_sign):
    return x509.KeyUsage(digital_signature=sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
                         key_agreement=False, key_cert_sign=cert_sign, crl_sign=cert_sign, encipher_only=False, decipher_only=False)


def spiffe(account, domain="cluster.local"):
    return "spiffe://%s/ns/default/sa/%s" % (domain, account)
