# shellcheck shell=sh
# The set-up that every script here begins with. Sourced with $repo set to the checkout:
#
#     set_up [FEATURE...]      libvirt: the embedded libvirt driver; dev: all that tests and benchmarks need
#
# sets $venv, a virtual environment in the cache where `autoscaler` is installed from this checkout, or exits
# with 2 and says what is missing and how to get it. A second run finds all of it there and installs nothing.
# Invariant: it writes to the cache folder and, through apt, to the host; never to standard output, to the
# checkout, or to the system's Python.

# shellcheck source=deploy/lib/say.sh
. "$repo/deploy/lib/say.sh"
# shellcheck source=deploy/lib/cache.sh
. "$repo/deploy/lib/cache.sh"
# shellcheck source=deploy/lib/host.sh
. "$repo/deploy/lib/host.sh"
# shellcheck source=deploy/lib/unpacked.sh
. "$repo/deploy/lib/unpacked.sh"
# shellcheck source=deploy/lib/venv.sh
. "$repo/deploy/lib/venv.sh"

set_up() {
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    open_cache
    choose_python
    to_run=qemu to_build='python venv'
    ! command -v apt-get >/dev/null || to_run="$to_run package_lists"
    for feature; do
        case $feature in
            libvirt)
                to_run="$to_run libvirt_driver"
                to_build="$to_build python_headers compiler libvirt_headers"
                ;;
            dev)
                to_run="$to_run libvirtd virsh shellcheck zstd zsh fish man chromium chromedriver"
                to_run="$to_run polkitd dbus_daemon systemd debootstrap dpkg_deb mke2fs"
                ;;
        esac
    done
    if [ -n "$python" ] && locate_venv && venv_has base "$@"; then
        to_build=
    fi
    # shellcheck disable=SC2086 # lists of needs
    ensure $to_run $to_build
    case " $* " in
        *" dev "*) find_prometheus ;;
    esac
    locate_venv
    make_venv base "$@"
    use_venv
    close_cache
    trap - INT TERM
}
