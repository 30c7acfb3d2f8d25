#!/usr/bin/env python3
"""Writes the files of the dashboard's page as C++:  embed.py FILE ...  > page_files.cc"""
import hashlib
import os
import sys

CHUNK = 4096
HEAD = """#include "control-plane/dashboard/page_files.h"

namespace tulle::dashboard {
namespace {

"""
FOOT = """
}  // namespace

std::span<const PageFile> AllPageFiles() { return kFiles; }

}  // namespace tulle::dashboard
"""


def literal(content):
    """Lines of a string literal. Octal escapes have three digits, so that no digit after one belongs to it."""
    plain = set(range(32, 127)) - {ord('"'), ord("\\"), ord("?")}
    return ["\"%s\"" % "".join(chr(b) if b in plain else "\\%03o" % b for b in content[at:at + CHUNK]) for at in range(0, len(content), CHUNK)]


def main(paths):
    print(HEAD, end="")
    rows = []
    for number, path in enumerate(sorted(paths, key=os.path.basename)):
        with open(path, "rb") as file:
            content = file.read()
        print("constexpr char kContent%d[] =\n%s;" % (number, "\n".join(literal(content) or ["\"\""])))
        rows.append("    {\"%s\", \"\\\"%s\\\"\", {kContent%d, %d}}," % (
            os.path.basename(path), hashlib.sha256(content).hexdigest()[:16], number, len(content)))
    print("\nconstexpr PageFile kFiles[] = {\n%s\n};" % "\n".join(rows))
    print(FOOT, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
