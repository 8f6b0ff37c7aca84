#!/bin/sh
# The first process of a run inside another Debian release (see root.sh): lays out its mounts, then becomes root
# there. Called as: inside.sh CHECKOUT ROOT SCRIPT [ARGUMENT...], in mount and process namespaces of its own.
set -eu

checkout=$1 root=$2 script=$3
shift 3

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
for scratch in tmp run srv; do
    mount -t tmpfs -o mode=1777 tmpfs "$root/$scratch"
done

# What the host reaches registries by: its resolver, its own certificates, its configuration of pip.
cat /etc/resolv.conf >"$root/etc/resolv.conf"
cat /etc/hosts >"$root/etc/hosts"
[ ! -e /etc/pip.conf ] || cat /etc/pip.conf >"$root/etc/pip.conf"
[ ! -d /usr/local/share/ca-certificates ] ||
    cp -R /usr/local/share/ca-certificates "$root/usr/local/share/"
chroot "$root" update-ca-certificates >/dev/null 2>&1 ||
    printf '%s\n' "test.sh: the host's own certificates could not be installed in $root" >&2

# Neither the history of the checkout nor what lies around in it by .gitignore goes along.
mkdir "$root/srv/checkout"
tar -C "$checkout" --exclude-vcs --exclude-vcs-ignores --exclude=__pycache__ -c . |
    tar -C "$root/srv/checkout" --no-same-owner -x

for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
        PATH | TERM | CI | PIP_* | *_proxy | *_PROXY) ;;
        *) unset "$name" ;;
    esac
done
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export VCPU_AUTOSCALER_CACHE=/var/cache/vcpu-autoscaler
# Moved, not only entered: to enter the namespaces of a process is to have the root of its mount namespace, and the
# tests enter those of machines that they boot in here.
cd "$root"
mount --move . /
exec chroot . sh "/srv/checkout/$script" "$@"
