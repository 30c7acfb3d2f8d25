"""The commands of README.md by hand, as they are printed there: they work, and leak nothing."""
import os
import re
import stat

import control
import netns
import processes
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("sidecar/tulle-sidecar", "control-plane/tulle-control", "control-plane/cli/tullectl")


def blocks_by_hand():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = file.read().split("## Try it by hand")[1].split("\n## ")[0]
    return re.findall(r"```\n(.*?)```", section, re.S)


@pytest.fixture
def host():
    netns.need_root()  # for ports of its own, and nobody else's
    network = netns.Network()
    yield network.add("reader")
    network.close()


def test_the_commands_by_hand_work_and_leak_nothing(host, tmp_path):
    start = next(block for block in blocks_by_hand() if block.startswith("mkdir"))
    script = tmp_path / "by-hand"
    script.write_text("set -e\nexport HOME=%s PATH=$PATH:%s\ncd %s\n%s\necho ALL DONE\nwait\n" % (
        tmp_path, ":".join(os.path.dirname(control.binary(program)) for program in PROGRAMS), tmp_path, start))
    child = processes.Child(host.argv("bash", str(script)), str(tmp_path / "log"))
    try:
        processes.wait_until(lambda: "ALL DONE" in child.log() or not child.running(), "the commands are done", 60)
        assert "ALL DONE" in child.log(), child.log()
        assert "\nhello\n" in child.log()
        token = tmp_path / "mesh" / "web.token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "mesh").stat().st_mode) == 0o700
        served = host.run("curl", "-s", "http://127.0.0.1:8080/..%2fmesh/web.token") + host.run("curl", "-s", "http://127.0.0.1:8080/")
        assert token.read_text().strip() not in served and "token" not in os.listdir(tmp_path / "www")
    finally:
        os.killpg(child.pid, 9)
        child.process.wait()


def test_redirection_by_hand_keeps_ssh_and_says_how_to_undo_it():
    others = blocks_by_hand()[-1]
    assert "tulle-init --exclude-inbound-ports 22 " in others and "tulle-init --remove " in others
