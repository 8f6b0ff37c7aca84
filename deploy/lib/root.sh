# shellcheck shell=sh
# Runs one script of this checkout inside another Debian release. Sourced with $repo set to the checkout:
#
#     run_in_root RELEASE SCRIPT [ARGUMENT...]      SCRIPT is a path in the checkout
#
# The release's root lies in the cache and is used again: it keeps the packages and the cache that the script
# filled there. Invariant: a run's processes and mounts are in namespaces of its own, and the copy of the checkout
# and all temporary files are on file systems that are mounted there; so they end with it, whatever ends it.

readonly root_releases="bookworm trixie sid"

# Never returns: exits with the script's exit code, or with 2 and what to do.
run_in_root() {
    open_root "$1"
    shift
    # Nothing outlives this script, killed or not: unshare is killed with it, and the namespaces' first process
    # with unshare.
    setpriv --pdeathsig KILL \
        unshare --mount --pid --fork --kill-child --propagation private \
        sh "$repo/deploy/lib/inside.sh" "$repo" "$root" "$@" 7>&-
    exit
}

# open_root RELEASE: sets root to its folder, made if need be, and holds its lock on descriptor 7.
open_root() {
    root_release=$1
    case " $root_releases " in
        *" $root_release "*) ;;
        *) fail "--root is one of: $root_releases; not $root_release" ;;
    esac
    [ "$(id -u)" -eq 0 ] || fail "--root needs root: it mounts, and it changes its root folder" "sudo sh $0 --root ..."
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    open_cache
    python='' # none is needed
    ensure debootstrap
    root=$cache/root/$root_release
    make_root
    close_cache
    exec 7>>"$root.lock"
    flock -n 7 || fail "another run is at work in $root" "Wait for its end, then run this again."
    trap - INT TERM
}

# Makes the root where it is not there yet; one that is there is whole, since its name is given last.
make_root() {
    [ ! -d "$root" ] || return 0
    rm -rf "$root.new"
    mkdir -p "$cache/root"
    # debootstrap mounts what it needs; in namespaces of its own nothing of that is left, were it killed.
    step "making a root of Debian $root_release" \
        unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
        debootstrap --force-check-gpg --variant=minbase --include=ca-certificates \
        "$root_release" "$root.new" ||
        fail "debootstrap could not make a root of Debian $root_release; what it said is in $log" \
            "It must reach its mirror of Debian: export http_proxy=http://PROXY:PORT if it needs one, then run this again."
    mv "$root.new" "$root"
}
