"""The archive is what the OCI image layout says, and the same input gives the same bytes."""
import hashlib
import io
import json
import os
import tarfile

import oci


def make(folder, name):
    root = folder / "root"
    if not root.exists():
        (root / "lib").mkdir(parents=True)
        (root / "program").write_bytes(b"#!")
        os.chmod(root / "program", 0o755)
        os.symlink("program", root / "lib" / "link")
    path = str(folder / name)
    return path, oci.write_archive(path, "docker.io/library/a:1.2", str(root), ["/program"], "1337:1337")


def test_an_archive_has_one_layer_with_the_files(tmp_path):
    path, size = make(tmp_path, "a.tar")
    with tarfile.open(path) as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}

    def blob(reference):
        data = files["blobs/sha256/" + reference["digest"].removeprefix("sha256:")]
        assert "sha256:" + hashlib.sha256(data).hexdigest() == reference["digest"] and len(data) == reference["size"]
        return data
    [manifest] = json.loads(files["index.json"])["manifests"]
    assert manifest["annotations"]["io.containerd.image.name"] == "docker.io/library/a:1.2"
    content = json.loads(blob(manifest))
    config = json.loads(blob(content["config"]))
    assert config["config"]["Entrypoint"] == ["/program"] and config["config"]["User"] == "1337:1337"
    [layer] = content["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]] and layer["size"] == size
    with tarfile.open(fileobj=io.BytesIO(blob(layer))) as entries:
        found = {entry.name: entry for entry in entries}
    assert set(found) == {"lib", "lib/link", "program"}
    assert found["program"].mode == 0o755 and found["program"].uid == 0 and found["lib/link"].linkname == "program"


def test_the_same_files_give_the_same_bytes(tmp_path):
    first, _ = make(tmp_path, "a.tar")
    os.utime(tmp_path / "root" / "program", (1, 1))
    second, _ = make(tmp_path, "b.tar")
    with open(first, "rb") as one, open(second, "rb") as other:
        assert one.read() == other.read()
