#!/bin/sh
# Installs this checkout as a service on a host whose package system it has no package for, and takes it away again.
# Invariant: configuration and state that are there are never written over; nothing but --purge removes them.
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck source=deploy/lib/setup.sh
. "$repo/deploy/lib/setup.sh"

usage() {
    cat <<'END'
Usage: sh deploy/install.sh [--without-libvirt] [--destdir FOLDER]
       sh deploy/install.sh --uninstall [--purge] [--destdir FOLDER]

Installs the service, or another version over the one that is there: its Python environment in
/opt/vcpu-autoscaler, the command in /usr/local/bin, the systemd units in /usr/local/lib. Configuration goes to
/etc/vcpu-autoscaler where there is none yet; it observes, and changes no guest. On Debian and Ubuntu, the package
that deploy/build-deb.sh builds does the same and goes with the system's upgrades.

  --without-libvirt   for guests of bare QEMU only; else libvirt's binding for Python is the host's own or, where
                      $PYTHON has none, built with the host's headers
  --uninstall         take the service away; configuration and state stay
  --purge             with --uninstall: those, too, and the service's users
  --destdir FOLDER    work on the system that lies there, and start, stop and make no user

Needs root, but for a FOLDER of one's own. $PYTHON is the interpreter, 3.11 or newer.
END
}

home=/opt/vcpu-autoscaler prefix=/usr/local
etc=/etc/vcpu-autoscaler state=/var/lib/vcpu-autoscaler
units='vcpu-autoscaler-bounds.service vcpu-autoscaler-actuator.service vcpu-autoscaler.service'

# Whether the system that is worked on runs with systemd.
runs_systemd() {
    [ -z "$destdir" ] && [ -d /run/systemd/system ]
}

# Sets binding to what tree.sh is to do for libvirt, and needs to what that takes.
choose_binding() {
    needs='python venv'
    if [ "$libvirt" = no ]; then
        binding=none
    elif [ -n "$python" ] && "$python" -I -c 'import libvirt' 2>/dev/null; then
        binding=host
    else
        binding=built
        needs="$needs python_headers compiler libvirt_headers"
    fi
}

install_service() {
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    open_cache
    choose_python
    choose_binding
    # shellcheck disable=SC2086 # a list of needs
    ensure $needs
    mkdir -p "$destdir${home%/*}"
    work=$(mktemp -d "$destdir$home.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    umask 022
    step "laying out the new version" \
        sh "$repo/deploy/lib/tree.sh" "$python" "$binding" "$work" "$home" "$prefix" ||
        fail "it could not be laid out, and what was there is as it was; what was said is in $log" \
            "If pip cannot reach its package index from here, tell it of your proxy or mirror:" \
            "    export HTTPS_PROXY=http://PROXY:PORT, or pip config set global.index-url URL" \
            "Then run this again."
    keep_configuration
    new=''
    [ -e "$destdir$prefix/lib/systemd/system/vcpu-autoscaler.service" ] || new=yes
    # From here on the new version takes the place of the old one, by a rename on one file system.
    rm -rf "$destdir$home.old"
    [ ! -e "$destdir$home" ] || mv "$destdir$home" "$destdir$home.old"
    mv "$work$home" "$destdir$home"
    rm -rf "$destdir$home.old"
    mkdir -p "$destdir$prefix"
    remove_files # what only the other version has would stay
    cp -R "$work$prefix/." "$destdir$prefix"
    close_cache
    trap - INT TERM
    if [ -n "$destdir" ] || ! command -v systemd-sysusers >/dev/null; then
        return 0
    fi
    systemd-sysusers vcpu-autoscaler.conf
    systemd-tmpfiles --create vcpu-autoscaler.conf
    if runs_systemd; then
        start_service
    fi
}

# Lays it out where there is none yet. What came with this version and differs from what is there lies
# beside it, as FILE.new; the policy that was taken away stays away.
keep_configuration() {
    mkdir -p "$destdir$etc/policies"
    if [ ! -e "$destdir$etc/config.yaml" ]; then
        cp "$work$etc/config.yaml" "$destdir$etc/config.yaml"
        [ -n "$(ls "$destdir$etc/policies")" ] || cp "$work$etc/policies/zz-observe.yaml" "$destdir$etc/policies/"
    fi
    for file in config.yaml policies/zz-observe.yaml; do
        if [ -e "$destdir$etc/$file" ] && ! cmp -s "$work$etc/$file" "$destdir$etc/$file"; then
            cp "$work$etc/$file" "$destdir$etc/$file.new"
        fi
    done
}

# Where they were not there, or had been taken away, they are enabled, whatever configuration was kept; over another
# version that is left to the administrator, and what runs is restarted.
# shellcheck disable=SC2086 # a list of units
start_service() {
    systemctl daemon-reload
    if [ -n "$new" ]; then
        systemctl enable --now $units
    else
        systemctl try-restart $units
    fi
}

uninstall_service() {
    if runs_systemd && [ -e "$prefix/lib/systemd/system/vcpu-autoscaler.service" ]; then
        # shellcheck disable=SC2086 # a list of units
        systemctl disable --now $units
        rm -rf /run/vcpu-autoscaler-bounds # which outlives the unit that made it
    fi
    rm -rf "$destdir$home"
    remove_files
    if runs_systemd; then
        systemctl daemon-reload
    fi
    [ -n "$purge" ] || return 0
    # Where one is a file system of its own, its folder is busy and stays, empty.
    for folder in "$destdir$etc" "$destdir$state"; do
        rm -rf "$folder" || [ -z "$(ls -A "$folder")" ]
    done
    [ -z "$destdir" ] || return 0
    for user in vcpu-autoscaler-actuator vcpu-autoscaler; do
        if getent passwd "$user" >/dev/null; then
            userdel "$user"
        fi
        # Which outlives its user where an administrator added somebody.
        if getent group "$user" >/dev/null; then
            groupdel "$user"
        fi
    done
}

# Of any version, all that was laid out beside its Python environment.
remove_files() {
    rm -rf "$destdir$prefix/share/vcpu-autoscaler" "$destdir$prefix/share/doc/vcpu-autoscaler"
    for file in bin/autoscaler bin/autoscaler-actuator lib/systemd/system/vcpu-autoscaler.service lib/systemd/system/autoscaler.slice \
        lib/systemd/system/vcpu-autoscaler-actuator.service lib/systemd/system/vcpu-autoscaler-bounds.service \
        lib/sysusers.d/vcpu-autoscaler.conf lib/tmpfiles.d/vcpu-autoscaler.conf \
        share/man/man8/autoscaler.8 share/man/man8/vcpu-autoscaler.8 share/man/man5/vcpu-autoscaler.yaml.5; do
        rm -f "$destdir$prefix/$file"
    done
}

destdir='' libvirt=yes uninstall='' purge=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --without-libvirt) libvirt=no ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        --destdir)
            [ $# -ge 2 ] || fail "--destdir needs a folder" "sh $0 --help"
            destdir=${2%/}
            # An empty one would mean the system itself, and a variable that is not set is empty.
            [ -n "$destdir" ] || fail "--destdir needs a folder, and '$2' is none" "leave it out for the system itself"
            shift
            ;;
        *) fail "there is no $1" "sh $0 --help" ;;
    esac
    shift
done
case $destdir in
    '' | /*) ;;
    *) destdir=$PWD/$destdir ;;
esac
[ -z "$purge" ] || [ -n "$uninstall" ] || fail "--purge goes with --uninstall: it removes configuration and state"
[ -n "$destdir" ] || [ "$(id -u)" -eq 0 ] || fail "this needs root" "sudo sh $0, or --destdir FOLDER for a folder of yours"
# What is the package's is the package system's to change; taking away an installation beside it is not.
if [ -e "$destdir/usr/lib/vcpu-autoscaler" ] && { [ -z "$uninstall" ] || [ -n "$purge" ]; }; then
    fail "vcpu-autoscaler is installed here as a Debian package, which has the same configuration, state and user" \
        "apt-get install ./vcpu-autoscaler_VERSION_ARCHITECTURE.deb for another version, apt-get remove vcpu-autoscaler to install without"
fi
if [ -n "$uninstall" ]; then
    uninstall_service
else
    install_service
fi
