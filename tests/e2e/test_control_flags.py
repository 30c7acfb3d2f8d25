"""Invalid usage of tulle-control: named, with exit code 1 as in tullectl, before anything is written."""
import re
import socket
import subprocess

import pytest

from processes import Child, binary, wait_until

# Addresses of no host: even a start that goes wrong serves nobody.
LISTEN = {"--grpc": "192.0.2.1:15012", "--api": "192.0.2.1:15016", "--health": "192.0.2.1:15014"}


def run(data_dir, *arguments):
    listen = [word for flag, value in LISTEN.items() if flag not in arguments for word in (flag, value)]
    argv = [binary("control-plane/tulle-control"), "--data-dir", str(data_dir), *listen, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments,said", [
    (["--frob"], "error: unknown option --frob\nhint: see `tulle-control --help`"),
    (["--dns-names", "a"], "error: unknown option --dns-names\nhint: did you mean --dns-name?"),
    (["extra"], 'error: unexpected argument "extra"'),
    (["--log-level"], "error: --log-level requires a value (LEVEL)\nhint: "),
    (["--log-level", "loud"], "invalid --log-level loud: must be trace"),
    (["--svid-ttl", "soon"], "--svid-ttl soon"),
    (["--grpc", "localhost:1"], '--grpc "localhost:1": invalid address; use IP-ADDRESS:PORT'),
    (["--api", "1.2.3.4"], '--api "1.2.3.4": invalid address'),
    (["--health", ""], '--health "": invalid address'),
    (["--ip", "1.2.3"], "--ip 1.2.3: invalid IP address"),
    (["--dns-name", "a b"], 'invalid --dns-name "a b"'),
    (["--dns-name", "*.Mesh_1.example.org", "--dns-name", "a..b"], 'invalid --dns-name "a..b"'),
])
def test_invalid_usage_ends_with_1_and_writes_nothing(tmp_path, arguments, said):
    data_dir = tmp_path / "data"
    code, stderr = run(data_dir, *arguments)
    assert (code, said in stderr) == (1, True), stderr
    assert not data_dir.exists()


def test_a_bad_data_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    anywhere = ("--grpc", "127.0.0.1:0", "--api", "127.0.0.1:0", "--health", "127.0.0.1:0")
    for path, said in (("file", "is not a directory"), ("no/such", "No such file or directory; create its parent directory first")):
        code, stderr = run(tmp_path / path, *anywhere)
        assert code == 1
        assert str(tmp_path / path) in stderr and said in stderr, stderr


def test_a_start_that_cannot_listen_leaves_no_store_behind(tmp_path):
    code, stderr = run(tmp_path / "data")
    assert code == 1
    assert "Cannot assign requested address; use an address of this host" in stderr
    assert not (tmp_path / "data").exists()

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = "127.0.0.1:%d" % holder.getsockname()[1]
        code, stderr = run(tmp_path / "data", "--grpc", "127.0.0.1:0", "--api", "127.0.0.1:0", "--health", taken)
    assert code == 1
    assert "error: cannot listen on %s: Address already in use; use another address" % taken in stderr
    assert not (tmp_path / "data").exists()


def test_a_store_in_use_is_named(tmp_path):
    data_dir = str(tmp_path / "data")
    anywhere = ["--grpc", "127.0.0.1:0", "--api", "127.0.0.1:0", "--health", "127.0.0.1:0"]
    first = Child([binary("control-plane/tulle-control"), "--data-dir", data_dir, *anywhere], str(tmp_path / "log"))
    try:
        wait_until(lambda: "serving sidecars on" in first.log(), "tulle-control does not start")
        code, stderr = run(data_dir, *anywhere)
    finally:
        first.stop()
    assert (code, stderr) == (1, "error: --data-dir %s is in use by another tulle-control; stop it first\n" % data_dir)


@pytest.mark.parametrize("program,column", [("control-plane/tulle-control", "  --data-dir FOLDER         "),
                                            ("sidecar/tulle-sidecar", "  --workers N               number of worker threads [1]\n"),
                                            ("k8s/init/tulle-init", "  --inbound-port PORT       the sidecar's inbound port [15006]\n")])
def test_help_and_version_read_as_in_tullectl(program, column):
    said = {}
    for flag in ("--help", "--version"):
        done = subprocess.run([binary(program), flag], capture_output=True, text=True, timeout=30, check=True)
        said[flag] = done.stdout
    assert column in said["--help"]
    for raw in (" TEXT", "UINT", "INT:", "Needs:", "Excludes:", "\n\n\n"):
        assert raw not in said["--help"], said["--help"]
    assert max(map(len, said["--help"].split("\n"))) <= 80
    assert re.fullmatch(re.escape(program.split("/")[-1]) + r" \d+\.\d+\.\d+\n", said["--version"]), said["--version"]


def test_the_help_tells_the_exit_codes():
    done = subprocess.run([binary("control-plane/tulle-control"), "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert "Exit codes: 0 stopped by SIGTERM or SIGINT, 1 error." in done.stdout
