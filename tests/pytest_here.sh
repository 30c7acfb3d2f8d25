#!/bin/bash
# Runs a Python test of the source tree under Bazel: pytest_here.sh FILE [PYTEST ARGUMENTS]
# The file is followed back to the tree, so that it finds its neighbours and the sources.
set -euo pipefail
file="$(readlink -f "$1")"
shift
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider --junitxml="${XML_OUTPUT_FILE:-/dev/null}" "$file" "$@"
