"""Images of a test's cluster: what is in them, and OCI archives that containerd imports."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "k8s", "images"))

import oci  # noqa: E402

REGISTRY = "tulle.test"  # A name that resolves nowhere: every image is imported, none is pulled.


def name(short):
    return "%s/%s:test" % (REGISTRY, short)


def archive(path, full_name, root, entrypoint=()):
    """Writes an image, with the folder `root` as its only layer, to `path`."""
    oci.write_archive(path, full_name, root, list(entrypoint), user="")
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
