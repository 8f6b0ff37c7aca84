#!/bin/sh
# Runs every check of the project: sets up what is missing, then the linters, the types and all tests.
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck source=deploy/lib/setup.sh
. "$repo/deploy/lib/setup.sh"
# shellcheck source=deploy/lib/root.sh
. "$repo/deploy/lib/root.sh"

usage() {
    cat <<'END'
Usage: sh deploy/test.sh [--root RELEASE] [PYTEST-ARGUMENT...]

Runs shellcheck, ruff, mypy, ansible-lint and pytest, real guests included; exits 1 if any of them failed.
Installs first what is missing (see deploy/README.md). Arguments go to pytest, and paths in them count
from the project's folder:  sh deploy/test.sh tests/unit -k policy

  --root RELEASE    do all this inside a root of another Debian release (bookworm, trixie or sid), which is
                    made in the cache folder at the first run; needs root
END
}

# part NAME COMMAND...: run one check and remember how it went; a failure does not keep the next from running.
part() {
    part_name=$1
    shift
    printf '\n== %s\n' "$part_name"
    if "$@"; then
        ran="$ran${ran:+, }$part_name ok"
    else
        ran="$ran${ran:+, }$part_name FAILED"
        failed=yes
    fi
}

case ${1:-} in
    -h | --help)
        usage
        exit 0
        ;;
    --root)
        [ $# -ge 2 ] || fail "--root needs a release" "sh $0 --root trixie"
        release=$2
        shift 2
        run_in_root "$release" deploy/test.sh "$@"
        ;;
esac

set_up libvirt dev
cd "$repo"
PATH=$venv/bin:$PATH
# The checks' caches stay out of the checkout too.
export RUFF_CACHE_DIR="$venv/ruff" MYPY_CACHE_DIR="$venv/mypy" HYPOTHESIS_STORAGE_DIRECTORY="$venv/hypothesis"
# Each worker, and each of the hundreds of commands that tests start, would compile the project anew without one.
export PYTHONPYCACHEPREFIX="$venv/pycache"
unset PYTHONDONTWRITEBYTECODE
ran='' failed=''
part shellcheck shellcheck --external-sources --check-sourced \
    deploy/*.sh deploy/lib/inside.sh deploy/lib/tree.sh deploy/deb/* .ci/run
part "ruff check" ruff check
part "ruff format" ruff format --check
part mypy mypy
part ansible-lint ansible-lint --offline -q --profile production deploy/ansible
if [ $# -gt 0 ]; then
    part pytest python -m pytest -o cache_dir="$venv/pytest" "$@"
else
    # What tests make of this checkout and both parts need, its package for one.
    export VCPU_AUTOSCALER_TESTS_SHARE="$venv/share.$$"
    trap 'rm -rf "$VCPU_AUTOSCALER_TESTS_SHARE"' EXIT
    # In the order of the folders: there long tests come early, so that no worker is left alone with one. Most of
    # a worker's time is waiting, so two for each CPU.
    part "pytest without guests" python -m pytest -o cache_dir="$venv/pytest" --numprocesses "$((2 * $(nproc)))" \
        --no-loadscope-reorder --durations 25 -m "not guest" tests
    # Apart from the others, and no more than two at once, most of whose time is waiting: a busy host withholds
    # its CPUs from guests, and then nothing grows.
    part "pytest with guests" python -m pytest -o cache_dir="$venv/pytest" --numprocesses 2 \
        --no-loadscope-reorder --durations 25 -m guest tests
fi
printf '\n%s: %s\n' "$me" "$ran"
[ -z "$failed" ]
