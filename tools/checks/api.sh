#!/usr/bin/env bash
# Holds a running deployment to docs/openapi.json: schemathesis asks what the document allows and what it does not. Needs the
# built `muster` and functions; installs schemathesis into .local once.
#
#   tools/checks/api.sh            a seed that never changes, and a new one, which is printed
#   tools/checks/api.sh SEED       this one
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/checks/environment.sh
environment api
PYTHONDONTWRITEBYTECODE=1 exec .local/api/bin/python tools/checks/api.py "$@"
