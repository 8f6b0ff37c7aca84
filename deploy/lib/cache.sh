# shellcheck shell=sh
# The cache folder: the only place, beside apt's packages, that a set-up writes to. One set-up at a time.

# Sets and exports VCPU_AUTOSCALER_CACHE, which the lab reads too; holds the lock on descriptor 9.
open_cache() {
    if [ -n "${VCPU_AUTOSCALER_CACHE:-}" ]; then
        cache=$VCPU_AUTOSCALER_CACHE
    elif [ -n "${XDG_CACHE_HOME:-}" ]; then
        cache=$XDG_CACHE_HOME/vcpu-autoscaler
    elif [ -n "${HOME:-}" ]; then
        cache=$HOME/.cache/vcpu-autoscaler
    else
        fail "there is no HOME to keep a cache in" "Name a folder: VCPU_AUTOSCALER_CACHE=/some/folder sh $0"
    fi
    case $cache in
        /*) ;;
        *) cache=$PWD/$cache ;;
    esac
    log=$cache/setup.log
    if ! mkdir -p "$cache/venv" 2>/dev/null || [ ! -w "$cache/venv" ] ||
        ! (: >>"$cache/setup.lock" && : >>"$log") 2>/dev/null; then
        fail "cannot write in the cache folder $cache as $(id -un)" \
            "Make it writable, or name another folder: VCPU_AUTOSCALER_CACHE=/some/folder sh $0"
    fi
    export VCPU_AUTOSCALER_CACHE="$cache"

    command -v flock >/dev/null || fail "there is no flock here" "Install the package util-linux."
    exec 9>>"$cache/setup.lock"
    if ! flock -n 9; then
        say "another set-up is at work in $cache; waiting for it"
        flock 9
    fi
    printf '%s\n' "$me, $(date)" >"$log"
}

close_cache() {
    exec 9>&-
}
