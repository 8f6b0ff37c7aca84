#!/bin/sh
# Lays out an installation as a tree of files, the same for a package and for a host without one. Called as:
#
#     tree.sh PYTHON BINDING TREE HOME PREFIX
#
# PYTHON is the interpreter that will run it, HOME the Python environment's place, PREFIX /usr or /usr/local; TREE
# is what all of that lies under for now. Invariant: nothing in the tree names the place where it was made. The
# environment has every Python package but libvirt's binding, of which BINDING is `host`, `built` or `none`: the
# host's own, so that it fits the host's libvirt; built here, from the host's headers; or not needed.
set -eu

repo=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
python=$1 binding=$2 tree=$3 home=$4 prefix=$5

make_home() {
    mkdir -p "$tree$home"
    "$python" -I -m venv "$tree$home"
    wanted=$repo
    [ "$binding" != built ] || wanted="${repo}[libvirt]"
    "$tree$home/bin/python" -I -m pip install --no-input --no-user --no-compile "$wanted"
    # What only an installation needs, and programs of other packages that nobody asked for.
    "$tree$home/bin/python" -I -m pip uninstall --yes --quiet setuptools pip
    find "$tree$home/bin" -mindepth 1 ! -name 'python*' -delete
    rm -f "$tree$home"/lib/python3*/site-packages/vcpu_autoscaler-*.dist-info/direct_url.json
    sed -i '/^command = /d' "$tree$home/pyvenv.cfg"
    [ "$binding" != host ] ||
        sed -i 's/^include-system-site-packages = .*/include-system-site-packages = true/' "$tree$home/pyvenv.cfg"
    cat >"$tree$home/bin/autoscaler" <<END
#!$home/bin/python -I
from autoscaler.cli.main import main

main()
END
    cat >"$tree$home/bin/autoscaler-actuator" <<END
#!$home/bin/python -I
from autoscaler.actuator.main import main

main()
END
    chmod 755 "$tree$home/bin/autoscaler" "$tree$home/bin/autoscaler-actuator"
    # Compiled here, for the service may not write there; by content and unchecked, for a copy has other times.
    find "$tree$home" -name __pycache__ -prune -exec rm -r {} +
    "$python" -I -m compileall -q -s "$tree" -p / --invalidation-mode unchecked-hash "$tree$home/lib"
}

# Everything but the Python environment.
make_files() {
    mkdir -p "$tree$prefix/bin" "$tree$prefix/lib/systemd/system" "$tree$prefix/lib/sysusers.d" "$tree$prefix/lib/tmpfiles.d" \
        "$tree$prefix/share/vcpu-autoscaler" "$tree$prefix/share/doc/vcpu-autoscaler/policies" \
        "$tree$prefix/share/doc/vcpu-autoscaler/prometheus" "$tree/etc/vcpu-autoscaler/policies"
    ln -sfn "$home/bin/autoscaler" "$tree$prefix/bin/autoscaler"
    ln -sfn "$home/bin/autoscaler-actuator" "$tree$prefix/bin/autoscaler-actuator"
    for unit in vcpu-autoscaler.service autoscaler.slice vcpu-autoscaler-actuator.service \
        vcpu-autoscaler-bounds.service vcpu-autoscaler-bounds.path; do
        sed "s#/usr/bin/#$prefix/bin/#; s#/usr/share/#$prefix/share/#" "$repo/deploy/systemd/$unit" \
            >"$tree$prefix/lib/systemd/system/$unit"
    done
    cat "$repo/deploy/systemd/vcpu-autoscaler.sysusers" >"$tree$prefix/lib/sysusers.d/vcpu-autoscaler.conf"
    cat "$repo/deploy/systemd/vcpu-autoscaler.tmpfiles" >"$tree$prefix/lib/tmpfiles.d/vcpu-autoscaler.conf"
    cat "$repo/policies/schema.json" >"$tree$prefix/share/vcpu-autoscaler/policy.schema.json"
    "$tree$home/bin/python" -I -m autoscaler.cli.manual "$tree$prefix/share/man"
    document=$tree$prefix/share/doc/vcpu-autoscaler
    cat "$repo/README.md" >"$document/README.md"
    cat "$repo/CHANGELOG.md" >"$document/CHANGELOG.md"
    cat "$repo/LICENSE" >"$document/copyright"
    cat "$repo/deploy/README.md" >"$document/deploy.md"
    cat "$repo/deploy/SECURITY.md" >"$document/SECURITY.md"
    cat "$repo/deploy/polkit/50-vcpu-autoscaler.rules" >"$document/50-vcpu-autoscaler.rules"
    sed 's#\.\./README\.md#../deploy.md#' "$repo/deploy/prometheus/README.md" >"$document/prometheus/README.md"
    for file in "$repo"/deploy/prometheus/*.yaml; do
        sed "s#/usr/share/#$prefix/share/#" "$file" >"$document/prometheus/${file##*/}"
    done
    for file in "$repo"/policies/*.md "$repo"/policies/*.yaml; do
        with_schema "$file" >"$document/policies/${file##*/}"
    done
    # It fits every domain, so it goes behind all that an administrator writes.
    with_schema "$repo/policies/observe.yaml" >"$tree/etc/vcpu-autoscaler/policies/zz-observe.yaml"
    cat "$repo/deploy/etc/config.yaml" >"$tree/etc/vcpu-autoscaler/config.yaml"
}

# with_schema FILE: the file, with the place of the schema as editors find it there.
with_schema() {
    sed "s#^\\(\\# yaml-language-server: \\\$schema=\\)schema.json#\\1$prefix/share/vcpu-autoscaler/policy.schema.json#" "$1"
}

make_home
make_files
