#!/bin/sh
# Shows the whole loop on this machine: sets up what is missing, then runs `autoscaler demo`.
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck source=deploy/lib/setup.sh
. "$repo/deploy/lib/setup.sh"

usage() {
    cat <<'END'
Usage: sh deploy/demo.sh [--backend libvirt|qmp] [--keep] [--output json] [OPTION...]

Boots a real guest with 1 of 4 vCPUs, runs the service against it, loads it, and shows the vCPUs being
added, used and taken away again. Installs first what is missing (see deploy/README.md).

  --backend libvirt   through the embedded libvirt driver (default)
  --backend qmp       raw QEMU; libvirt is neither needed nor installed
  --keep              go on until Ctrl-C
  --output json       one JSON object at the end; nothing else goes to standard output
  -h, --help          this text

Every option goes on to `autoscaler demo`.
END
}

backend=libvirt
before=
for argument; do
    case $before,$argument in
        --backend,*) backend=$argument ;;
        *,--backend=*) backend=${argument#*=} ;;
        *,-h | *,--help)
            usage
            exit 0
            ;;
    esac
    before=$argument
done

case $backend in
    libvirt) set_up libvirt ;;
    qmp) set_up ;;
    *) fail "--backend is libvirt or qmp, not $backend" ;;
esac
exec "$venv/bin/autoscaler" demo "$@"
