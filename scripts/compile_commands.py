#!/usr/bin/python3
"""Writes compile_commands.json at the root of the tree, for clangd and other tools:  scripts/compile_commands.py

It asks Bazel how each source is compiled and generates the protobuf headers that sources include. Nothing else is built.
"""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BAZEL = os.environ.get("BAZEL", "bazel")
GENERATED_HEADERS = "//xds/proto:proto_protoc"
# Debian's libraries, as WORKSPACE maps them.
SYSTEM = "external/system"
# What only gcc takes, and what only Bazel needs.
LEFT_OUT = ("-fno-canonical-system-headers", "-Wno-free-nonheap-object", "-MD", "-frandom-seed=", '-D__DATE__=', '-D__TIME__=', '-D__TIMESTAMP__=')
LEFT_OUT_WITH_VALUE = ("-MF",)


def for_tools(arguments):
    """The compiler's arguments, with paths that hold at the root of the tree."""
    kept = []
    skip = False
    for argument in arguments:
        if skip or argument.startswith(LEFT_OUT):
            skip = False
        elif argument in LEFT_OUT_WITH_VALUE:
            skip = True
        else:
            kept.append("/usr" + argument[len(SYSTEM):] if argument.startswith(SYSTEM) else argument)
    return kept


def compile_commands():
    """[{directory, file, arguments}], one for each source of the tree, ordered by file."""
    subprocess.run([BAZEL, "build", "--noshow_progress", "--ui_event_filters=-info", "--show_result=0", GENERATED_HEADERS], cwd=ROOT, check=True)
    asked = subprocess.run([BAZEL, "aquery", "--noshow_progress", "--ui_event_filters=-info", "--output=jsonproto", "--define=units=off",
                            'mnemonic("CppCompile", //...)'],
                           cwd=ROOT, check=True, stdout=subprocess.PIPE)
    commands = {}
    for action in json.loads(asked.stdout)["actions"]:
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        if not source.startswith("bazel-out/"):
            commands.setdefault(source, {"directory": ROOT, "file": source, "arguments": for_tools(arguments)})
    return [commands[source] for source in sorted(commands)]


def main():
    if len(sys.argv) > 1:
        print(__doc__, file=sys.stderr)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    path = os.path.join(ROOT, "compile_commands.json")
    commands = compile_commands()
    with open(path, "w", encoding="utf-8") as file:
        json.dump(commands, file, indent=1)
    print("%s: %d sources" % (path, len(commands)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
