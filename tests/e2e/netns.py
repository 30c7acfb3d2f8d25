"""Network namespaces that a test makes and removes: hosts on one bridge, none of them the machine's own."""
import ctypes
import os
import shutil
import subprocess
import tempfile
import threading

import pytest

CLONE_NEWNET = 0x40000000
# Where Debian keeps what only root uses; a test's own PATH may leave it out.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
_libc = ctypes.CDLL(None, use_errno=True)


def need_root():
    """Skips where namespaces and redirection cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces and redirection need root")
    for program in ("ip", "iptables", "ip6tables"):
        if subprocess.run(["sh", "-c", "command -v " + program], capture_output=True, check=False).returncode:
            pytest.skip("%s is not installed: scripts/install-packages installs it" % program)


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "%s: %s" % (" ".join(argv), done.stderr)
    return done.stdout


class Host:
    """One namespace with an address on the bridge."""

    def __init__(self, name, address, address6):
        self.name = name
        self.address = address
        self.address6 = address6

    # Before a command that a person types: whoever ran the tests by sudo needs it again, and root may not have it.
    typed_prefix = "sudo " if os.environ.get("SUDO_USER") else ""

    def argv(self, *argv, uid=None):
        """The command line that runs `argv` inside."""
        who = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid else []
        return ["ip", "netns", "exec", self.name, *who, *argv]

    def run(self, *argv):
        return run(*self.argv(*argv))

    def call(self, function, *arguments):
        """What `function` returns when a thread of this process runs it inside: sockets made there stay there."""
        result = []

        def inside():
            with open("/run/netns/" + self.name, encoding="utf-8") as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET):
                    result.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                result.append(function(*arguments))
            except BaseException as error:  # told to the caller
                result.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]


class Readable:
    """A folder that another user may read, with copies of programs for it: where a build puts them he may not look."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tulle-")
        os.chmod(self.folder, 0o755)

    def program(self, path):
        return shutil.copy(path, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def close(self):
        shutil.rmtree(self.folder)


class Network:
    """A hub with a bridge, and hosts on it. The hub is a host too: control planes run there."""

    def __init__(self, prefix="tulle"):
        self.prefix = "%s-%d" % (prefix, os.getpid())
        self.hosts = []
        self.hub = self._host("hub")
        self.hub.run("ip", "link", "add", "br0", "type", "bridge")
        self.hub.run("ip", "addr", "add", self.hub.address + "/16", "dev", "br0")
        self.hub.run("ip", "addr", "add", self.hub.address6 + "/64", "dev", "br0", "nodad")
        self.hub.run("ip", "link", "set", "br0", "up")

    def _host(self, name):
        number = len(self.hosts) + 1
        made = Host("%s-%s" % (self.prefix, name), "10.77.0.%d" % number, "fd77::%x" % number)
        run("ip", "netns", "add", made.name)
        self.hosts.append(made)
        made.run("ip", "link", "set", "lo", "up")
        return made

    def add(self, name):
        made = self._host(name)
        end = "h%d" % len(self.hosts)
        made.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", self.hub.name)
        self.hub.run("ip", "link", "set", end, "master", "br0", "up")
        # No link-local address: it would come and go by itself while a test compares what there is.
        made.run("ip", "link", "set", "eth0", "addrgenmode", "none")
        made.run("ip", "addr", "add", made.address + "/16", "dev", "eth0")
        made.run("ip", "addr", "add", made.address6 + "/64", "dev", "eth0", "nodad")
        made.run("ip", "link", "set", "eth0", "up")
        made.run("ip", "route", "add", "default", "via", self.hub.address)
        return made

    def close(self):
        for host in reversed(self.hosts):
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True, check=False)
