# shellcheck shell=sh
# How a set-up talks: one line a step, everything on standard error, so that standard output stays the
# command's own. What apt and pip print goes to a log, of which a failed step shows the end.

me=${0##*/}
ticker=
log=/dev/null

say() {
    printf '%s: %s\n' "$me" "$*" >&2
}

# fail SENTENCE [LINE...]: something cannot be had here, and what to do about it.
fail() {
    say "$1"
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@" >&2
    exit 2
}

# step WHAT COMMAND [ARGUMENT...]: run COMMAND with its output in the log; returns its exit code.
step() {
    step_what=$1
    shift
    step_began_s=$(date +%s)
    printf '%s: %s ... ' "$me" "$step_what" >&2
    printf '\n== %s\n' "$step_what" >>"$log"
    start_ticker
    step_code=0
    # The lock (9) must not outlive this script in something that the command leaves running.
    "$@" </dev/null >>"$log" 2>&1 9>&- || step_code=$?
    stop_ticker
    if [ "$step_code" -eq 0 ]; then
        printf '%s s\n' "$(elapsed_s)" >&2
        return 0
    fi
    printf 'failed after %s s\n' "$(elapsed_s)" >&2
    tail -n 12 "$log" | sed 's/^/    | /' >&2
    return "$step_code"
}

elapsed_s() {
    echo $(($(date +%s) - step_began_s))
}

# On a terminal the elapsed seconds of a step count up on its line.
start_ticker() {
    [ -t 2 ] || return 0
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        printf '\r%s: %s ... %s s ' "$me" "$step_what" "$(elapsed_s)" >&2
    done 9>&- &
    ticker=$!
}

stop_ticker() {
    [ -n "$ticker" ] || return 0
    kill "$ticker" 2>/dev/null || :
    wait "$ticker" 2>/dev/null || :
    ticker=
    printf '\r%s: %s ... ' "$me" "$step_what" >&2
}

interrupted() {
    trap - INT TERM
    [ -z "$ticker" ] || kill "$ticker" 2>/dev/null || :
    printf '\n' >&2
    say "stopped during set-up; run it again to go on from here"
    exit "$1"
}
