"""Our .proto files say what Envoy's say: same messages, names, numbers, types, oneofs and enum values.

Run: /usr/bin/python3 tests/proto/descriptors_test.py (or by pytest). It needs the Python package envoy-data-plane, which it
installs into its own environment outside the tree once; where that cannot be had the test is skipped and says so.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PROTOS = HERE.parent.parent / "xds" / "proto"
ENVIRONMENT = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "tulle-descriptors"
PACKAGES = ["envoy-data-plane==2.2.0", "protobuf"]


def environment_python():
    """The interpreter of an environment that has the real classes, or None and why not."""
    python = ENVIRONMENT / "bin" / "python"
    check = [str(python), "-c", "import envoy_data_plane, google.protobuf"]
    if python.exists() and subprocess.run(check, capture_output=True).returncode == 0:
        return str(python), ""
    made = subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], capture_output=True, text=True)
    if made.returncode != 0:
        return None, "cannot make a Python environment (install python3-venv)"
    try:
        got = subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        return None, "the package envoy-data-plane could not be fetched in time"
    if got.returncode != 0:
        return None, "the package envoy-data-plane cannot be had here: " + got.stderr.strip().splitlines()[-1]
    return str(python), ""


class DescriptorsTest(unittest.TestCase):
    def test_our_messages_are_envoys(self):
        python, why = environment_python()
        if python is None:
            self.skipTest(why)
        with tempfile.TemporaryDirectory() as directory:
            descriptors = os.path.join(directory, "ours.pb")
            files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
            subprocess.run(["protoc", f"-I{PROTOS}", "-I/usr/include", f"--descriptor_set_out={descriptors}", *files], check=True)
            result = subprocess.run([python, str(HERE / "compare_descriptors.py"), descriptors], capture_output=True, text=True)
        print(result.stderr.strip(), file=sys.stderr)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
