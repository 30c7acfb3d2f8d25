"""Every conformance test of the Gateway API for meshes passes, also if the mesh accepts no plaintext. conformance.py runs single tests, or all several times."""
import pytest

import conformance
import programs
from cluster import Cluster
from meshed import STRICT
from netns import need_root


def test_every_test_of_a_mesh_passes(tmp_path):
    need_root()
    lacking = programs.missing(node=True, conformance=True)
    if lacking:
        pytest.skip(lacking)
    with Cluster() as cluster:
        mesh = conformance.prepare(cluster)
        for mode in ("PERMISSIVE", "STRICT"):
            if mode == "STRICT":
                mesh.policies(STRICT)
            outcome = conformance.run(cluster, str(tmp_path / mode))
            print(mode, conformance.table(outcome), sep="\n")
            assert conformance.is_good(outcome), conformance.table(outcome)
