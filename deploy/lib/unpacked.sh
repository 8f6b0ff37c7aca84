# shellcheck shell=sh
# Programs that are used where they lie and never installed: Debian's package `prometheus` has the server, and
# before Debian 13 promtool, and a service that would start with it and take a port; so `prometheus-alertmanager`,
# which has amtool. Unpacked they start nothing, and need no root. Invariant: the folder is whole or not there, since
# it is given its name last.

# Puts prometheus, promtool and amtool into PATH: the host's own where it has them, else from the cache.
find_prometheus() {
    ! { command -v prometheus && command -v promtool && command -v amtool; } >/dev/null || return 0
    unpacked=$cache/prometheus
    if [ ! -x "$unpacked/usr/bin/amtool" ]; then
        command -v apt-get >/dev/null ||
            fail "missing: prometheus, promtool and amtool, which the tests ask. There is no apt-get here to get them" \
                "with. Put them into PATH (https://prometheus.io/download), then run this again."
        rm -rf "$unpacked.new"
        mkdir "$unpacked.new"
        # Lists that are too old name a package that the mirror has no longer.
        step "getting Debian's prometheus, without installing it" unpack_prometheus || {
            become_root
            # shellcheck disable=SC2086 # words
            step "reading apt's package lists" $as_root apt-get update || :
            step "getting Debian's prometheus, without installing it" unpack_prometheus ||
                fail "apt-get could not download Debian's prometheus; what it said is in $log" \
                    "See whether its mirror can be reached, then run this again."
        }
        rm -rf "$unpacked"
        mv "$unpacked.new" "$unpacked"
    fi
    PATH=$PATH:$unpacked/usr/bin
}

unpack_prometheus() {
    (
        cd "$unpacked.new"
        for package in prometheus promtool prometheus-alertmanager; do
            [ ! -x "usr/bin/$package" ] || continue
            apt-get download "$package" && dpkg -x "$package"_*.deb . && rm "$package"_*.deb || exit
        done
    )
}
