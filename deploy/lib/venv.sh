# shellcheck shell=sh
# The Python side: which interpreter, and a virtual environment of this checkout's own in the cache.
# Its folder is named by a digest of all that it is made from, so another pyproject.toml, interpreter or
# checkout means another folder. Its file `features` is written last: what is listed there is whole.

# Part of the digest: raise it when the way an environment is made changes.
venv_recipe=1

# Sets python to the interpreter to use, and too_old to one that is not new enough; empty where there is none.
choose_python() {
    python='' too_old=''
    if [ -n "${PYTHON:-}" ]; then
        consider "$PYTHON" pass
        [ -n "$python" ] || fail "PYTHON=$PYTHON is not Python 3.11 or newer${too_old:+ but $("$too_old" -V)}" \
            "Name another one, or leave PYTHON unset and one is looked for."
        return 0
    fi
    # One that can make an environment at once goes before one that needs a package first.
    for able in 'import ensurepip, venv' pass; do
        for name in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
            [ -n "$python" ] || consider "$name" "$able"
        done
    done
    [ -n "$python" ] || [ -z "$too_old" ] || fail "Python 3.11 or newer is needed, and $too_old is $("$too_old" -V)" \
        "Debian 12, Ubuntu 24.04 and later have it as python3. On Ubuntu 22.04, as root:" \
        "    apt-get install -y --no-install-recommends python3.11 python3.11-venv python3.11-dev" \
        "Then run this again; any other interpreter can be named: PYTHON=/path/to/python3 sh $0"
}

# consider NAME ABLE: take this interpreter if it is new enough and ABLE, a piece of Python, runs.
consider() {
    candidate=$(command -v "$1") || return 0
    if "$candidate" -I -c "import sys; sys.version_info >= (3, 11) or sys.exit(1); $2" 2>/dev/null; then
        python=$candidate
    elif "$candidate" -I -c 'import sys; sys.exit(sys.version_info >= (3, 11))' 2>/dev/null; then
        too_old=$candidate
    fi
}

# Sets venv, its folder, and made_for, whose it is.
locate_venv() {
    made_for="$repo with $python"
    venv=$cache/venv/$(
        {
            echo "$venv_recipe $made_for"
            "$python" -I -c 'import sys; print(sys.implementation.cache_tag, sys.base_prefix)'
            cat "$repo/pyproject.toml"
        } | sha256sum | cut -c 1-16
    )
}

# venv_has FEATURE...: whether the environment exists with all of these installed.
venv_has() {
    "$venv/bin/python" -I -c pass 2>/dev/null || return 1
    for feature; do
        grep -qx "$feature" "$venv/features" 2>/dev/null || return 1
    done
}

# make_venv FEATURE...: make the environment, or add to it what it lacks.
make_venv() {
    ! venv_has "$@" || return 0
    if ! venv_has base; then
        rm -rf "$venv"
        mkdir "$venv"
        echo "$made_for" >"$venv/made-for"
        remove_outdated_venvs
        step "making a Python environment" "$python" -I -m venv "$venv" ||
            fail "$python could not make a virtual environment; what it said is in $log"
    fi
    wanted=$repo
    : >"$venv/requirements.txt"
    for feature; do
        case $feature in
            libvirt) wanted="${repo}[libvirt]" ;;
            dev) list_dev_requirements >"$venv/requirements.txt" ;;
        esac
    done
    step "installing Python packages" "$venv/bin/python" -I -m pip install --no-input --no-user \
        --requirement "$venv/requirements.txt" --editable "$wanted" ||
        fail "pip could not install the Python packages; what it said is in $log" \
            "If it cannot reach its package index from here, tell it of your proxy or mirror:" \
            "    export HTTPS_PROXY=http://PROXY:PORT, or pip config set global.index-url URL" \
            "Then run this again."
    printf '%s\n' "$@" >>"$venv/features"
}

# pip knows dependency groups from 25.1 on, and stable distributions have an older one.
list_dev_requirements() {
    "$python" -I -c '
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["dev"], sep="\n")
' "$repo/pyproject.toml"
}

# Environments of checkouts that are gone, or of this one as it used to be, go unless a program runs from them.
remove_outdated_venvs() {
    for other in "$cache"/venv/*; do
        owner=$(cat "$other/made-for" 2>/dev/null) || owner=
        [ "$other" != "$venv" ] || continue
        if [ "$owner" = "$made_for" ] || [ ! -e "${owner% with *}/pyproject.toml" ]; then
            flock -n "$other/in-use" rm -rf "$other" || :
        fi
    done
}

# What this script turns into holds descriptor 8 until it ends, which keeps its environment from removal.
use_venv() {
    exec 8>>"$venv/in-use"
    flock -s 8
}
