"""A tulle-control with its files, and tullectl with its admin's credential: the part that the tests' meshes and the demo share."""
import json
import os
import subprocess

import processes


class Refused(Exception):
    """A tullectl command failed; the text is its standard error."""


class Loopback:
    """Where programs run that need no host of their own. A netns.Host is used in the same way."""

    address = "127.0.0.1"
    # Before a command that a person types: what root wrote is root's alone.
    typed_prefix = "sudo " if os.environ.get("SUDO_USER") and os.geteuid() == 0 else ""

    @staticmethod
    def argv(*argv):
        return list(argv)


def binary(label):
    path = processes.binary(label)
    assert path, "%s is not built: bazel build //%s" % (label, ":".join(label.rsplit("/", 1)))
    return path


class ControlPlane:
    """Knows where tulle-control listens and keeps its data; a subclass starts it with `control_argv()`."""

    def __init__(self, folder, ports, host=Loopback):
        self.folder = str(folder)
        self.data = os.path.join(self.folder, "control")
        self.grpc, self.api, self.health = ports
        self.host = host
        self.program = binary("control-plane/tulle-control")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    @property
    def admin_file(self):
        """The admin's credential, which tulle-control writes."""
        return os.path.join(self.data, "admin.json")

    @property
    def sidecars_address(self):
        """The value of a sidecar's --control."""
        return "%s:%d" % (self.host.address, self.grpc)

    def control_argv(self, *arguments):
        return self.host.argv(self.program, "--data-dir", self.data, "--grpc", self.sidecars_address, "--api", "%s:%d" % (self.host.address, self.api),
                              "--health", "127.0.0.1:%d" % self.health, "--ip", self.host.address, *arguments)

    def _tullectl_argv(self, program, *arguments):
        return self.host.argv(program, "--server", "https://%s:%d" % (self.host.address, self.api), "--credential-file", self.admin_file, *arguments)

    def command(self, *arguments):
        """How a person in the root of the tree would type it."""
        return self.host.typed_prefix + " ".join(self._tullectl_argv("bazel-bin/control-plane/cli/tullectl", *arguments))

    def tullectl(self, *arguments, text=None):
        """Standard output of a command that reads `text`."""
        done = subprocess.run(self._tullectl_argv(binary("control-plane/cli/tullectl"), *arguments), input=text, capture_output=True, text=True,
                              timeout=60, check=False, env={**os.environ, "HOME": self.folder})
        if done.returncode:
            raise Refused("tullectl %s: %s" % (" ".join(arguments), (done.stderr or done.stdout).strip()))
        return done.stdout

    def apply(self, policy):
        return self.tullectl("apply", "-f", "-", text=policy)

    def answers(self):
        """It listens before it has written the admin's credential."""
        try:
            return os.path.exists(self.admin_file) and self.tullectl("status") is not None
        except Refused:
            return False

    def write_token(self, path, *flags):
        """A file with a join token that only its owner can read."""
        token = self.tullectl("token", "create", *flags, "-o", "raw")
        with open(path, "w", encoding="utf-8", opener=lambda name, how: os.open(name, how, 0o600)) as file:
            file.write(token)
        return path

    def proxies(self):
        return json.loads(self.tullectl("status", "-o", "json"))["items"]

    def proxies_in_step(self):
        """The proxies that are connected and have acknowledged all; none while the control plane does not answer."""
        try:
            return [p for p in self.proxies() if p["connected"] and p["synced"]]
        except (Refused, subprocess.TimeoutExpired):
            return []

    def in_step(self, name):
        """The name of that service's first proxy in step, or None."""
        return next((p["name"] for p in self.proxies_in_step() if p["name"].startswith(name + "-")), None)

    def virtual_addresses(self):
        """{service: address}, as the hosts file of `tullectl hosts` has them."""
        addresses = {}
        for line in self.tullectl("hosts").splitlines():
            words = line.split("#")[0].split()
            addresses.update((name, words[0]) for name in words[1:])
        return addresses
