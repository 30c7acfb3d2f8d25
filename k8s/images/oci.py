"""Writes an OCI image archive (image layout 1.0.0, one layer) without a container engine. The same input gives the same bytes."""
import hashlib
import io
import json
import os
import tarfile

EPOCH = "1970-01-01T00:00:00Z"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _plain(entry):
    entry.mtime = 0
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _layer(root):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                layer.add(path, os.path.relpath(path, root), recursive=False, filter=_plain)
    return out.getvalue()


class _Blobs:
    def __init__(self):
        self.by_digest = {}

    def add(self, media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        self.by_digest[digest] = data
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def add_json(self, media_type, value):
        return self.add(media_type, json.dumps(value, sort_keys=True).encode())


def write_archive(path, name, root, entrypoint, user, architecture="amd64"):
    """`name`: as in a pod, with a tag; `root`: a folder. Returns the size of the files in the image."""
    blobs = _Blobs()
    data = _layer(root)
    layer = blobs.add("application/vnd.oci.image.layer.v1.tar", data)
    config = blobs.add_json("application/vnd.oci.image.config.v1+json", {
        "architecture": architecture, "os": "linux", "created": EPOCH,
        "config": {"Env": [PATH], "Entrypoint": entrypoint, "User": user},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created": EPOCH}]})
    manifest = blobs.add_json("application/vnd.oci.image.manifest.v1+json", {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]})
    manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rsplit(":", 1)[-1]}
    manifest["platform"] = {"architecture": architecture, "os": "linux"}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    with tarfile.open(path, "w") as archive:
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
        files.update(("blobs/sha256/" + digest, data) for digest, data in sorted(blobs.by_digest.items()))
        for file, content in files.items():
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return len(data)
