"""Container images without a container engine: a folder becomes an OCI archive that containerd imports."""
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

REGISTRY = "tulle.test"  # A name that resolves nowhere: every image is imported, none is pulled.


def name(short):
    return "%s/%s:test" % (REGISTRY, short)


def _layer(root):
    """The folder as a tar file whose bytes depend on its content only."""
    def plain(entry):
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for base, folders, files in os.walk(root):
            folders.sort()
            for entry in sorted(folders + files):
                full = os.path.join(base, entry)
                tar.add(full, os.path.relpath(full, root), recursive=False, filter=plain)
    return out.getvalue()


class _Blobs:
    def __init__(self):
        self.content = {}

    def add(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        self.content[digest] = data
        return {"mediaType": "application/vnd.oci.image." + media_type, "digest": "sha256:" + digest, "size": len(data)}


def archive(path, full_name, root, entrypoint=()):
    """Writes an image, with the folder `root` as its only layer, to `path`."""
    blobs = _Blobs()
    layer = blobs.add(_layer(root), "layer.v1.tar")
    config = {"architecture": "amd64", "os": "linux",
              "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Entrypoint": list(entrypoint)},
              "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blobs.add(json.dumps(config).encode(), "config.v1+json"), "layers": [layer]}
    entry = blobs.add(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"io.containerd.image.name": full_name, "org.opencontainers.image.ref.name": full_name.rsplit(":", 1)[-1]}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    files.update(("blobs/sha256/" + digest, data) for digest, data in blobs.content.items())
    with tarfile.open(path, "w") as tar:
        for file, data in files.items():
            info = tarfile.TarInfo(file)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def place(root, source, target):
    """Copies a file into an image's folder."""
    full = os.path.join(root, target.lstrip("/"))
    os.makedirs(os.path.dirname(full), exist_ok=True)
    shutil.copy(os.path.realpath(source), full)


def place_program(root, source, target=None):
    """Copies a program with the shared libraries that it loads."""
    place(root, source, target or source)
    loaded = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
    for word in loaded.split():
        if word.startswith("/"):
            place(root, word, word)


def busybox(root):
    """A shell and its tools, as Debian's static busybox has them."""
    for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "run", "www"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    place(root, shutil.which("busybox"), "/bin/busybox")
    for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            os.symlink("busybox", os.path.join(root, "bin", applet))
    with open(os.path.join(root, "etc/passwd"), "w", encoding="ascii") as passwd:
        passwd.write("root:x:0:0::/:/bin/sh\n")


PAUSE = r"""
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void Stop(int number) { _exit(number == SIGTERM ? 0 : 1); }
static void Reap(int number) {
  (void)number;
  while (waitpid(-1, 0, WNOHANG) > 0) {
  }
}

int main(void) {
  signal(SIGTERM, Stop);
  signal(SIGINT, Stop);
  signal(SIGCHLD, Reap);
  for (;;) pause();
}
"""


def pause(root):
    """What keeps a pod's namespaces open."""
    os.makedirs(root, exist_ok=True)
    source = os.path.join(root, "pause.c")
    with open(source, "w", encoding="ascii") as file:
        file.write(PAUSE)
    subprocess.run(["gcc", "-O2", "-static", "-o", os.path.join(root, "pause"), source], check=True)
    os.unlink(source)
