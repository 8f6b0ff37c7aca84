#!/bin/sh
# Builds the Debian package of this checkout, for the release and the architecture that it is built on.
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck source=deploy/lib/setup.sh
. "$repo/deploy/lib/setup.sh"
# shellcheck source=deploy/lib/root.sh
. "$repo/deploy/lib/root.sh"

usage() {
    cat <<'END'
Usage: sh deploy/build-deb.sh [--root RELEASE] [--output FOLDER] [--revision N]

Builds vcpu-autoscaler_VERSION_ARCHITECTURE.deb and prints its path. It has its own Python environment inside and
uses the host's python3 and python3-libvirt, so it fits the release of Debian or Ubuntu that it is built on.

  --root RELEASE     build it for that Debian release (bookworm, trixie or sid), in a root of it; needs root
  --output FOLDER    where the package goes; else dist/ in the checkout
  --revision N       the part of the version after the dash; else 1

The maintainer that the package names is $DEBFULLNAME <$DEBEMAIL>, else the user who builds it.
END
}

output=$repo/dist revision=1 release=
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --root | --output | --revision)
            [ $# -ge 2 ] || fail "$1 needs a value" "sh $0 --help"
            case $1 in
                --root) release=$2 ;;
                --output) output=$2 ;;
                --revision) revision=$2 ;;
            esac
            shift 2
            ;;
        *) fail "there is no $1" "sh $0 --help" ;;
    esac
done
case $output in
    /*) ;;
    *) output=$PWD/$output ;;
esac
case $revision in
    '' | *[!0-9a-z.+~]* | [!0-9]*) fail "--revision is like 2 or 2.1, not $revision" ;;
esac

# Its own /var/cache is what a root keeps of a run.
build_in_root() {
    inside=/var/cache/vcpu-autoscaler/deb
    (run_in_root "$release" deploy/build-deb.sh --output "$inside" --revision "$revision") >/dev/null || exit
    mkdir -p "$output"
    for package in "$VCPU_AUTOSCALER_CACHE/root/$release$inside"/*.deb; do
        mv "$package" "$output"
        printf '%s\n' "$output/${package##*/}"
    done
}

# What the package says of itself; its version ends with the release, for it fits no other one.
write_control() {
    python_minor=$("$python" -I -c 'import sys; print(sys.version_info.minor)')
    cat >"$tree/DEBIAN/control" <<END
Package: vcpu-autoscaler
Version: $version
Architecture: $architecture
Maintainer: ${DEBFULLNAME:-$(id -un)} <${DEBEMAIL:-$(id -un)@$(uname -n)}>
Section: admin
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$tree" | cut -f 1)
Depends: python3 (>= 3.$python_minor), python3 (<< 3.$((python_minor + 1))), python3-libvirt (>= 9), passwd, systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles
Recommends: libvirt-daemon-system
Suggests: prometheus, python3-matplotlib, python3-numpy
Description: holds the service levels of KVM guests with the fewest vCPUs
 It watches each running guest's CPU load through the QEMU guest agent, and
 hot-adds, brings online and takes offline vCPUs, without a reboot, so that a
 stated service level is kept.
 .
 As installed it only observes: it changes no guest before an administrator
 writes a policy that says so.
END
    (cd "$tree" && find etc -type f | sed 's#^#/#' | LC_ALL=C sort >DEBIAN/conffiles)
    (cd "$tree" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\0' | LC_ALL=C sort -z |
        xargs -0 md5sum >DEBIAN/md5sums)
    for script in preinst postinst prerm postrm; do
        cat "$repo/deploy/deb/$script" >"$tree/DEBIAN/$script"
        chmod 755 "$tree/DEBIAN/$script"
    done
}

if [ -n "$release" ]; then
    open_cache # for its name
    close_cache
    build_in_root
    exit
fi

trap 'interrupted 130' INT
trap 'interrupted 143' TERM
open_cache
python='' too_old=''
consider /usr/bin/python3 pass # the one that the package will depend on
ensure dpkg_deb python venv
[ "$python" = /usr/bin/python3 ] ||
    fail "a package is built with the distribution's own /usr/bin/python3, and only $python is new enough here"
work=$(mktemp -d "$cache/deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 022
tree=$work/tree
mkdir -p "$tree/DEBIAN"
step "laying out the package" \
    sh "$repo/deploy/lib/tree.sh" "$python" host "$tree" /usr/lib/vcpu-autoscaler /usr ||
    fail "the package could not be laid out; what was said is in $log" \
        "If pip cannot reach its package index from here, tell it of your proxy or mirror:" \
        "    export HTTPS_PROXY=http://PROXY:PORT, or pip config set global.index-url URL" \
        "Then run this again."
# As Debian's policy has it.
gzip -9n "$tree"/usr/share/man/man*/*
find "$tree/usr" -type d -empty -delete
# shellcheck source=/dev/null
. /etc/os-release
architecture=$(dpkg --print-architecture)
version=$("$tree/usr/lib/vcpu-autoscaler/bin/python" -I -c 'import autoscaler; print(autoscaler.__version__)')
version=$version-$revision~${ID}${VERSION_ID:-}
write_control
package=vcpu-autoscaler_${version}_$architecture.deb
mkdir -p "$output"
step "packing it" dpkg-deb -Zzstd --root-owner-group --build "$tree" "$work/$package" ||
    fail "dpkg-deb could not pack it; what it said is in $log"
mv "$work/$package" "$output/$package"
printf '%s\n' "$output/$package"
