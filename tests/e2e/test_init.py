"""tulle-init in network namespaces: what it sets, tries and takes away, by both variants of iptables and for both families."""
import socket
import struct
import subprocess

import pytest

import netns
import processes
from test_redirection import Server

VIP = "240.240.0.7"
OUTBOUND, INBOUND = 15001, 15006
SIDECAR = 1337
V4, V6 = socket.AF_INET, socket.AF_INET6


# Connections one after the other, for as long as it lives.
BUSY = """
import socket, sys, time
while True:
    with socket.socket() as one:
        one.settimeout(1)
        try:
            one.connect((sys.argv[1], 80))
        except OSError:
            pass
    time.sleep(0.001)
"""


class Place:
    """Two hosts; on `pod` tulle-init runs, and listeners of the test stand where its sidecar would."""

    def __init__(self, variant, tmp_path):
        self.variant = variant
        self.network = netns.Network("init")
        self.pod, self.peer = self.network.add("pod"), self.network.add("peer")
        # No default route: a virtual address has none of its own.
        self.pod.run("ip", "route", "del", "default")
        self.files = netns.Readable()
        self.program = self.files.program(processes.binary("k8s/init/tulle-init"))
        self.sockets = []
        self.children = []
        self.folder = tmp_path

    def close(self):
        for child in self.children:
            child.stop()
        for one in self.sockets:
            one.close()
        self.files.close()
        self.network.close()

    def init(self, *words, code=0, auto=False):
        """Runs it in the pod; standard output and error."""
        choice = [] if auto else ["--iptables", self.variant]
        done = subprocess.run(self.pod.argv(self.program, *choice, *words), capture_output=True, text=True, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout, done.stderr

    def keep_busy(self, host, to):
        path = str(self.folder / ("busy-%d.log" % len(self.children)))
        self.children.append(processes.Child(host.argv("/usr/bin/python3", "-c", BUSY, to, uid=65534), path))

    def nat(self, *words, family=""):
        self.pod.run("ip%stables-%s" % (family, self.variant), "-t", "nat", *words)

    def saved(self, family=""):
        lines = self.pod.run("ip%stables-%s-save" % (family, self.variant), "-t", "nat").splitlines()
        return [line.split(" [")[0] for line in lines if not line.startswith("#")]

    def listen(self, host, port, family=V4, address=None):
        def make():
            made = socket.socket(family)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == V6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address or ("0.0.0.0" if family == V4 else "::"), port))
            made.listen()
            made.settimeout(5)
            return made
        made = host.call(make)
        self.sockets.append(made)
        return made

    def dial(self, host, to, port, family=V4, uid=65534):
        """Connects as `uid`; true: somebody accepted."""
        code = "import socket,sys; s=socket.socket(%d); s.settimeout(2); s.connect((sys.argv[1], int(sys.argv[2])))" % family
        return subprocess.run(host.argv("/usr/bin/python3", "-c", code, to, str(port), uid=uid),
                              capture_output=True, check=False).returncode == 0


def original(listener):
    """Where the next connection was meant for; None: it was not redirected."""
    peer, _ = listener.accept()
    with peer:
        try:
            if peer.family == V4:
                port, address = struct.unpack("!2xH4s8x", peer.getsockopt(socket.IPPROTO_IP, 80, 16))
            else:
                port, address = struct.unpack("!2xH4x16s4x", peer.getsockopt(socket.IPPROTO_IPV6, 80, 28))
        except OSError:
            return None
        # A listener on the dialled address itself is asked too: then nothing was translated.
        where = (socket.inet_ntop(peer.family, address), port)
        return None if where == peer.getsockname()[:2] else where


@pytest.fixture(params=["nft", "legacy"])
def place(request, tmp_path):
    netns.need_root()
    made = Place(request.param, tmp_path)
    try:
        probe = subprocess.run(made.pod.argv("iptables-%s" % request.param, "-t", "nat", "-S"), capture_output=True, text=True, check=False)
        if probe.returncode:
            pytest.skip("this kernel has no iptables-%s: %s" % (request.param, probe.stderr.strip()))
        yield made
    finally:
        made.close()


def test_fault_79_what_comes_in_and_goes_out_meets_the_sidecar(place):
    out, _ = place.init("--exclude-inbound-ports", "2222", "--exclude-outbound-ports", "5432",
                        "--exclude-outbound-ranges", "10.77.0.1")
    assert "FAILED" not in out and "added route 240.240.0.0/16 dev lo" in out
    assert "ok      IPv4: connections to services are redirected to the sidecar" in out
    assert "ok      IPv4: inbound connections are redirected to the sidecar" in out
    assert "ok      IPv6: inbound connections are redirected to the sidecar" in out
    pod, peer = place.pod, place.peer
    outbound, inbound = place.listen(pod, OUTBOUND, address="127.0.0.1"), place.listen(pod, INBOUND)
    outbound6, inbound6 = place.listen(pod, OUTBOUND, V6, "::1"), place.listen(pod, INBOUND, V6)

    # Out: services, others, other families.
    assert place.dial(pod, VIP, 80) and original(outbound) == (VIP, 80)
    assert place.dial(pod, peer.address, 9090) and original(outbound) == (peer.address, 9090)
    assert place.dial(pod, peer.address6, 9090, V6) and original(outbound6) == (peer.address6, 9090)
    # In.
    assert place.dial(peer, pod.address, 8080) and original(inbound) == (pod.address, 8080)
    assert place.dial(peer, pod.address6, 8080, V6) and original(inbound6) == (pod.address6, 8080)
    # The sidecar calls this very address: its own inbound side; the application is reached from 127.0.0.6.
    assert place.dial(pod, pod.address, 8080, uid=SIDECAR) and original(inbound) == (pod.address, 8080)
    application = place.listen(pod, 8080)

    def from_own_source():
        with socket.create_connection((pod.address, 8080), 2, ("127.0.0.6", 0)):
            return original(application)
    assert pod.call(from_own_source) is None


def test_fault_79_what_is_excluded_goes_its_own_way(place):
    place.init("--exclude-inbound-ports", "2222", "--exclude-outbound-ports", "5432", "--exclude-outbound-ranges", "10.77.0.1",
               "--proxy-uid", "1337,2000")
    pod, peer = place.pod, place.peer
    place.listen(pod, OUTBOUND, address="127.0.0.1")
    place.listen(pod, INBOUND)
    for port in (2222, 15012, 15014, 15016, 15017, 15021, 15090):
        direct = place.listen(pod, port)
        assert place.dial(peer, pod.address, port) and original(direct) is None, port
        # The sidecar of the control plane's host dials it by the host's own address.
        assert place.dial(pod, pod.address, port, uid=SIDECAR) and original(direct) is None, port
    direct = place.listen(peer, 5432)
    assert place.dial(pod, peer.address, 5432) and original(direct) is None
    direct = place.listen(peer, 9090)
    for uid in (SIDECAR, 2000):
        assert place.dial(pod, peer.address, 9090, uid=uid) and original(direct) is None
    direct = place.listen(place.network.hub, 9090)
    assert place.dial(pod, "10.77.0.1", 9090) and original(direct) is None
    for address, family in (("127.0.0.1", V4), ("::1", V6), ("127.0.0.9", V4)):
        direct = place.listen(pod, 7000, family, address)
        assert place.dial(pod, address, 7000, family) and original(direct) is None, address


def test_what_a_host_forwards_is_left_alone(place):
    """A host that is a router too: containers, virtual machines."""
    place.init()
    pod, peer, beyond = place.pod, place.peer, place.network.add("beyond")
    # Without one a router of IPv6 does not ask for its neighbours.
    pod.run("ip", "addr", "add", "fe80::1/64", "dev", "eth0", "nodad")
    for family, proc in ((V4, "ipv4/ip_forward"), (V6, "ipv6/conf/all/forwarding")):
        pod.run("sh", "-c", "echo 1 > /proc/sys/net/" + proc)
        address, via = (beyond.address, pod.address) if family == V4 else (beyond.address6, pod.address6)
        back, back_via = (peer.address, pod.address) if family == V4 else (peer.address6, pod.address6)
        words = ["ip", "-4" if family == V4 else "-6", "route", "add"]
        peer.run(*words, address, "via", via)
        beyond.run(*words, back, "via", back_via)
        inbound, server = place.listen(pod, INBOUND, family), place.listen(beyond, 8080, family)
        assert place.dial(peer, address, 8080, family), family
        assert original(server) is None
        # What is meant for the host itself comes to its sidecar all the same.
        own = pod.address if family == V4 else pod.address6
        assert place.dial(peer, own, 8080, family) and original(inbound) == (own, 8080)


def test_a_second_run_changes_nothing_and_removal_leaves_nothing(place):
    foreign = ["iptables-%s" % place.variant, "-t", "nat", "-A", "OUTPUT", "-p", "udp", "--dport", "53", "-j", "RETURN"]
    place.pod.run(*foreign)
    before, before6, routes = place.saved(), place.saved("6"), place.pod.run("ip", "route", "show", "table", "all")
    addresses = place.pod.run("ip", "-6", "addr", "show", "dev", "lo")
    place.init()
    once, once6 = place.saved(), place.saved("6")
    assert once != before and once6 != before6
    place.init()
    assert place.saved() == once and place.saved("6") == once6
    place.init("--outbound-port", "16001")
    assert [line.replace("16001", "15001") for line in place.saved()] == once
    place.init("--remove")
    assert place.saved() == before and place.saved("6") == [line for line in place.saved("6") if "TULLE" not in line]
    assert place.pod.run("ip", "route", "show", "table", "all") == routes
    assert place.pod.run("ip", "-6", "addr", "show", "dev", "lo") == addresses
    out, _ = place.init("--remove")
    assert out == "all rules of tulle-init are removed\n"


def test_fault_80_a_check_of_what_is_not_redirected_is_loud(place):
    _, errors = place.init("--check", code=1)
    assert "FAILED  IPv4: connections to services are redirected to the sidecar" in errors and "run tulle-init" in errors
    assert "bypass the sidecar" in errors
    place.init()
    place.init("--check")
    place.pod.run("iptables-%s" % place.variant, "-t", "nat", "-D", "PREROUTING", "1")
    _, errors = place.init("--check", code=1)
    assert "FAILED  IPv4: inbound rules are set" in errors
    # Somebody else's rule before ours.
    place.init()
    place.pod.run("iptables-%s" % place.variant, "-t", "nat", "-I", "OUTPUT", "1", "-d", "240.240.0.0/16", "-p", "tcp", "-j", "ACCEPT")
    _, errors = place.init("--check", code=1)
    assert "FAILED  IPv4: connections to services" in errors and "rules before TULLE_OUTPUT" in errors


@pytest.mark.parametrize("family,rule", [
    ("", ("-p", "tcp", "--dport", "8080", "-j", "ACCEPT")), ("", ("-p", "tcp", "--dport", "8080", "-j", "REDIRECT", "--to-ports", "8081")),
    ("6", ("-j", "RETURN"))])
def test_fault_80_a_rule_before_ours_that_only_others_meet_is_found(place, family, rule):
    """No connection of this host itself meets PREROUTING: the application would be reached past the sidecar."""
    place.init()
    name = "IPv%s: inbound rules are set" % (family or "4")
    for harmless in (("-p", "udp", "--dport", "53", "-j", "ACCEPT"), ("-p", "tcp", "--dport", "9", "-d", "10.77.0.9" if not family else "fd77::9")):
        place.nat("-I", "PREROUTING", "1", *harmless, family=family)
    out, _ = place.init("--check")
    assert "ok      " + name in out
    place.nat("-I", "PREROUTING", "1", *rule, family=family)
    _, errors = place.init("--check", code=1)
    (line,) = [line for line in errors.splitlines() if "FAILED" in line]
    assert line.startswith("FAILED  " + name) and "-j " + rule[rule.index("-j") + 1] in line and "run tulle-init, which puts its own rules first" in line, line
    # What it says helps.
    place.init()
    place.init("--check")


def test_fault_80_a_rule_before_ours_for_what_goes_out_is_found(place):
    place.init()
    place.nat("-I", "OUTPUT", "1", "-d", "10.9.0.0/16", "-p", "tcp", "-j", "ACCEPT")
    _, errors = place.init("--check", code=1)
    (line,) = [line for line in errors.splitlines() if "FAILED" in line]
    assert line.startswith("FAILED  IPv4: outbound rules are set") and "-d 10.9.0.0/16" in line, line


def test_a_check_beside_a_running_sidecar_counts_its_own_connection(place):
    place.init()
    place.listen(place.pod, OUTBOUND, address="127.0.0.1")
    place.listen(place.pod, INBOUND)
    before = place.saved()
    out, _ = place.init("--check")
    assert "ok      IPv4: connections to services are redirected to the sidecar: the sidecar is running" in out
    assert "ok      IPv4: inbound connections are redirected to the sidecar: the sidecar is running" in out
    assert place.saved() == before, "nothing of the check is left"
    place.nat("-F", "TULLE_REDIRECT")
    _, errors = place.init("--check", code=1)
    assert "a connection to 240.240.0.1:9 is not redirected to port 15001" in errors


@pytest.mark.parametrize("rule,failed", [
    (("OUTPUT", "1", "-d", "240.240.0.1", "-p", "tcp", "--dport", "9", "-j", "ACCEPT"), "connections to services are redirected to the sidecar"),
    (("TULLE_OUTPUT", "1", "-d", "240.240.0.1", "-p", "tcp", "--dport", "9", "-j", "ACCEPT"), "connections to services are redirected to the sidecar"),
    (("TULLE_INBOUND", "1", "-p", "tcp", "--dport", "9", "-j", "RETURN"), "inbound connections are redirected to the sidecar")])
def test_fault_80_connections_of_others_do_not_make_a_check_pass(place, rule, failed):
    pod = place.pod
    place.init()
    servers = [Server(pod, port, lambda peer: None) for port in (OUTBOUND, INBOUND)]
    try:
        for host, to in ((pod, VIP), (place.peer, pod.address)):
            place.keep_busy(host, to)
        for server in servers:
            processes.wait_until(lambda: len(server.accepted) > 10, "connections are redirected")
        place.init("--check")
        place.nat("-I", *rule)
        _, errors = place.init("--check", code=1)
        assert "FAILED  IPv4: " + failed in errors, errors
    finally:
        for server in servers:
            server.close()


def test_a_check_of_a_busy_host_whose_sidecar_is_down_passes(place):
    place.init("--no-check")
    place.keep_busy(place.pod, VIP)
    place.keep_busy(place.peer, place.pod.address)
    place.init("--check")


def test_verification_needs_no_capability(place):
    """As in a pod that the CNI plugin redirects."""
    def verify(*words):
        argv = place.pod.argv(place.program, "--verify", *words, uid=65534)
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    without = verify()
    assert without.returncode == 1
    assert "FAILED  IPv4: connections to services are redirected to the sidecar" in without.stderr
    assert "the CNI plugin tulle-cni did not redirect the connections of this pod" in without.stderr
    excluded = ["--exclude-outbound-ranges", "192.0.2.0/24,198.51.100.0/25"]
    place.init(*excluded)
    done = verify(*excluded)
    assert done.returncode == 0, done.stderr
    assert "ok      IPv4: connections to services are redirected to the sidecar" in done.stdout


def test_the_variant_in_use_is_taken(place):
    place.pod.run("iptables-%s" % place.variant, "-t", "nat", "-A", "OUTPUT", "-p", "udp", "--dport", "53", "-j", "RETURN")
    out, _ = place.init(auto=True)
    assert "rules set by iptables-%s\n" % place.variant in out
    assert "rules set by ip6tables-%s\n" % place.variant in out


def test_who_may_not_is_told_what_he_needs(place):
    done = subprocess.run(place.pod.argv(place.program, uid=65534), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "root" in done.stderr, done.stderr
    done = subprocess.run([place.program, "--exclude-outbound-ranges", "10.0.0/8"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "use ADDRESS or ADDRESS/BITS" in done.stderr + done.stdout


@pytest.mark.parametrize("capabilities", ["net_admin", "net_admin,setuid,setgid"])
def test_it_ends_soon_with_few_capabilities(place, capabilities):
    """Test connections of other users end by themselves: nothing may be killed without the capability KILL."""
    raw_tables = ",net_raw" if place.variant == "legacy" else ""
    some = ",".join("+" + one for one in (capabilities + raw_tables).split(","))
    argv = place.pod.argv("setpriv", "--bounding-set", "-all," + some, place.program, "--iptables", place.variant)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 0, done.stderr
    has_callers = "setuid" in capabilities
    assert ("ok      IPv4: connections to services are redirected" in done.stdout) == has_callers, done.stdout


def test_without_the_right_to_change_rules_it_says_so_once():
    done = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", processes.binary("k8s/init/tulle-init")],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith("tulle-init: permission denied: iptables requires root, or in a pod the capability NET_ADMIN"), done.stderr
