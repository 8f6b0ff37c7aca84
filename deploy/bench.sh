#!/bin/sh
# Measures the service on this machine: sets up what is missing, then runs the benchmarks by name.
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck source=deploy/lib/setup.sh
. "$repo/deploy/lib/setup.sh"

usage() {
    cat <<'END'
Usage: sh deploy/bench.sh [NAME...] [--output json]

Runs the named benchmarks, or all, and prints a table of figures; with --output json one JSON object a
line and nothing else on standard output. Figures only: a slow machine is no failure.
The names "table" and "lags" replay recorded demand: VCPU_AUTOSCALER_TRACES=FOLDER says where that lies.
Installs first what is missing (see deploy/README.md).
END
}

for argument; do
    case $argument in
        -h | --help)
            usage
            exit 0
            ;;
    esac
done

set_up libvirt dev
cd "$repo"
PATH=$venv/bin:$PATH
export PYTHONPATH="$repo"
exec "$venv/bin/python" -m tests.bench "$@"
