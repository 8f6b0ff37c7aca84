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
from autoscaler.cli.entry import main

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
        "$tree$prefix/share/vcpu-autoscaler" "$tree/etc/vcpu-autoscaler/policies"
    ln -sfn "$home/bin/autoscaler" "$tree$prefix/bin/autoscaler"
    ln -sfn "$home/bin/autoscaler-actuator" "$tree$prefix/bin/autoscaler-actuator"
    for unit in vcpu-autoscaler.service autoscaler.slice vcpu-autoscaler-actuator.service \
        vcpu-autoscaler-bounds.service; do
        sed "s#/usr/bin/#$prefix/bin/#; s#/usr/share/#$prefix/share/#" "$repo/deploy/systemd/$unit" \
            >"$tree$prefix/lib/systemd/system/$unit"
    done
    cat "$repo/deploy/systemd/vcpu-autoscaler.sysusers" >"$tree$prefix/lib/sysusers.d/vcpu-autoscaler.conf"
    cat "$repo/deploy/systemd/vcpu-autoscaler.tmpfiles" >"$tree$prefix/lib/tmpfiles.d/vcpu-autoscaler.conf"
    cat "$repo/policies/schema.json" >"$tree$prefix/share/vcpu-autoscaler/policy.schema.json"
    "$tree$home/bin/python" -I -m autoscaler.cli.manual "$tree$prefix/share/man"
    make_documents "$tree$prefix/share/doc/vcpu-autoscaler"
    # It fits every domain, so it goes behind all that an administrator writes.
    with_schema "$repo/policies/observe.yaml" >"$tree/etc/vcpu-autoscaler/policies/zz-observe.yaml"
    cat "$repo/deploy/etc/config.yaml" >"$tree/etc/vcpu-autoscaler/config.yaml"
}

# make_documents FOLDER: lie in it as in the checkout, so that they find each other.
make_documents() {
    mkdir -p "$1/policies" "$1/deploy/polkit" "$1/deploy/prometheus" "$1/grafana"
    cat "$repo/LICENSE" >"$1/copyright"
    for file in README.md ARCHITECTURE.md CHANGELOG.md LICENSE deploy/README.md deploy/SECURITY.md \
        deploy/polkit/50-vcpu-autoscaler.rules deploy/prometheus/README.md grafana/README.md; do
        cat "$repo/$file" >"$1/$file"
    done
    cp -R "$repo/deploy/ansible" "$1/deploy"
    cp -R "$repo/grafana/dashboards" "$repo/grafana/provisioning" "$1/grafana"
    for file in "$repo"/deploy/prometheus/*.yaml; do
        sed "s#/usr/share/#$prefix/share/#" "$file" >"$1/deploy/prometheus/${file##*/}"
    done
    for file in "$repo"/policies/*.md "$repo"/policies/*.yaml; do
        with_schema "$file" >"$1/policies/${file##*/}"
    done
    ln -s ../../../vcpu-autoscaler/policy.schema.json "$1/policies/schema.json"
    # What is not there is named and not linked.
    "$python" -I - "$1" <<'END'
import re, sys
from pathlib import Path

for page in Path(sys.argv[1]).rglob("*.md"):
    text = re.sub(
        r"\[([^\]]+)\]\(([^)#:\s]+)(?:#[^)\s]*)?\)",
        lambda link: link[0] if (page.parent / link[2]).exists() else link[1],
        page.read_text(encoding="utf-8"),
    )
    page.write_text(text, encoding="utf-8")
END
}

# with_schema FILE: the file, with the place of the schema as editors find it there.
with_schema() {
    sed "s#^\\(\\# yaml-language-server: \\\$schema=\\)schema.json#\\1$prefix/share/vcpu-autoscaler/policy.schema.json#" "$1"
}

make_home
make_files
