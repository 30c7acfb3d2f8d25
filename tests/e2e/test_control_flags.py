"""Invalid usage of tulle-control: named, with exit code 2, before anything is written."""
import subprocess

import pytest

from processes import binary

# Addresses of no host: even a start that goes wrong serves nobody.
LISTEN = {"--grpc": "192.0.2.1:15012", "--api": "192.0.2.1:15016", "--health": "192.0.2.1:15014"}


def run(data_dir, *arguments):
    listen = [word for flag, value in LISTEN.items() if flag not in arguments for word in (flag, value)]
    argv = [binary("control-plane/tulle-control"), "--data-dir", str(data_dir), *listen, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments,said", [
    (["--frob"], "--frob"),
    (["--log-level"], "--log-level"),
    (["--log-level", "loud"], "invalid --log-level loud: must be trace"),
    (["--svid-ttl", "soon"], "--svid-ttl soon"),
    (["--grpc", "localhost:1"], '--grpc "localhost:1": invalid address; use IP-ADDRESS:PORT'),
    (["--api", "1.2.3.4"], '--api "1.2.3.4": invalid address'),
    (["--health", ""], '--health "": invalid address'),
    (["--ip", "1.2.3"], "--ip 1.2.3: invalid IP address"),
    (["--dns-name", "a b"], 'invalid --dns-name "a b"'),
    (["--dns-name", "*.Mesh_1.example.org", "--dns-name", "a..b"], 'invalid --dns-name "a..b"'),
])
def test_invalid_usage_ends_with_2_and_writes_nothing(tmp_path, arguments, said):
    data_dir = tmp_path / "data"
    code, stderr = run(data_dir, *arguments)
    assert (code, said in stderr) == (2, True), stderr
    assert not data_dir.exists()


def test_a_bad_data_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for path, said in (("file", "is not a directory"), ("no/such", "No such file or directory; create its parent directory first")):
        code, stderr = run(tmp_path / path)
        assert code == 1
        assert str(tmp_path / path) in stderr and said in stderr, stderr


def test_an_address_of_another_host_is_refused_with_advice(tmp_path):
    code, stderr = run(tmp_path / "data")
    assert code == 1
    assert "Cannot assign requested address; use an address of this host" in stderr


def test_the_help_tells_the_exit_codes():
    done = subprocess.run([binary("control-plane/tulle-control"), "--help"], capture_output=True, text=True, timeout=30, check=True)
    assert "2 invalid usage" in done.stdout
