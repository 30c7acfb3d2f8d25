"""One cluster for all tests of a file; each test has a namespace of its own."""
import contextlib
import itertools
import os
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
from netns import need_root  # noqa: E402

import image  # noqa: E402
import programs  # noqa: E402
from cluster import Cluster  # noqa: E402

_numbers = itertools.count(1)


def _need(node):
    need_root()
    lacking = programs.missing(node)
    if lacking:
        pytest.skip(lacking)


@pytest.fixture(scope="session")
def gateway_api():
    """The folder with the definitions of the Gateway API."""
    if not os.path.isdir(programs.gateway_api()):
        pytest.skip("the definitions of the Gateway API are missing: run tests/k8s/programs.py")
    return programs.gateway_api()


@pytest.fixture(scope="module")
def control():
    """An API server without nodes."""
    _need(node=False)
    with Cluster() as made:
        yield made


@contextlib.contextmanager
def with_node(**options):
    """A cluster with a node, DNS, and an image `tools` with a shell and its programs. `options`: of Cluster."""
    _need(node=True)
    with Cluster(**options) as made:
        made.add_node()
        made.start_dns()
        root = made.path("image-tools")
        image.busybox(root)
        image.place_program(root, shutil.which("curl"), "/bin/curl")  # A static wget ends when it resolves a name.
        made.load_image(image.archive(made.path("tools.tar"), image.name("tools"), root))
        made.tools = image.name("tools")
        yield made


@pytest.fixture(scope="module")
def cluster():
    with with_node() as made:
        yield made


@pytest.fixture
def namespace(cluster):
    """Of one test; what is in it ends with it."""
    name = "test-%d" % next(_numbers)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--force", "--grace-period=0")
