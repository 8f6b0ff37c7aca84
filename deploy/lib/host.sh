# shellcheck shell=sh
# What the host itself must have. A need is looked for as the thing that is used (a command, a header, a
# driver), never as a package, so that a host that has it, from wherever, needs neither apt nor root.

case :$PATH: in
    *:/usr/sbin:*) ;;
    *) PATH=$PATH:/usr/sbin:/sbin ;; # where a normal user's PATH lacks libvirtd
esac

# present NEED: whether the host has it. $python is the interpreter in use, empty where there is none.
present() {
    case $1 in
        qemu) command -v qemu-system-x86_64 ;;
        libvirt_driver) libvirt_qemu_driver ;;
        package_lists) ls "$cache"/packages-*/vmlinuz || apt-get indextargets 'Created-By: Packages' | grep . ;;
        libvirtd | virsh | shellcheck | zstd | zsh | fish | man | debootstrap | mke2fs | chromium) command -v "$1" ;;
        chromedriver) command -v chromedriver || command -v chromium.chromedriver ;; # the latter is the snap's
        polkitd) PATH=$PATH:/usr/lib/polkit-1:/usr/libexec command -v polkitd ;;
        dbus_daemon) command -v dbus-daemon ;;
        systemd) command -v systemd-analyze ;;
        dpkg_deb) command -v dpkg-deb ;;
        python) [ -n "$python" ] ;;
        venv) [ -n "$python" ] && "$python" -I -c 'import ensurepip, venv' ;;
        python_headers) [ -n "$python" ] && [ -e "$(ask_python 'sysconfig.get_path("include")')/Python.h" ] ;;
        compiler) compiles ;;
        libvirt_headers) command -v pkg-config && pkg-config --exists libvirt ;;
    esac >/dev/null 2>&1
}

ask_python() {
    "$python" -I -c "import sysconfig; print($1)"
}

libvirt_qemu_driver() {
    for folder in "${LIBVIRT_DRIVER_DIR:-}" /usr/lib/*/libvirt/connection-driver \
        /usr/lib64/libvirt/connection-driver /usr/lib/libvirt/connection-driver; do
        [ ! -e "$folder/libvirt_driver_qemu.so" ] || return 0
    done
    return 1
}

# An extension module is built with the compiler that the interpreter names; a C library must be there too.
compiles() {
    compiler=${CC:-$([ -z "$python" ] || ask_python 'sysconfig.get_config_var("CC")')}
    # shellcheck disable=SC2086 # CC may carry options
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' | ${compiler:-cc} -x c -o /dev/null -
}

# about NEED: sets what (for people), deb and rpm (package names).
about() {
    case $1 in
        qemu) what="qemu-system-x86_64, which runs the guest" deb=qemu-system-x86 rpm=qemu-system-x86-core ;;
        libvirt_driver) what="libvirt's QEMU driver" deb=libvirt-daemon-driver-qemu \
            rpm=libvirt-daemon-driver-qemu ;;
        package_lists) what="apt's package lists, by which the guest's kernel is downloaded" deb='' rpm='' ;;
        libvirtd) what="libvirtd, which the tests start" deb=libvirt-daemon rpm=libvirt-daemon ;;
        virsh) what="virsh, which the tests use" deb=libvirt-clients rpm=libvirt-client ;;
        shellcheck) what="shellcheck, which reads the scripts" deb=shellcheck rpm=ShellCheck ;;
        zstd) what="zstd, with which the tests pack" deb=zstd rpm=zstd ;;
        zsh) what="zsh, in which the tests complete the command" deb=zsh rpm=zsh ;;
        fish) what="fish, in which they do too" deb=fish rpm=fish ;;
        man) what="man, in which they read the manual pages" deb=man-db rpm=man-db ;;
        chromium) what="chromium, in which the tests look at the status page" deb=chromium rpm=chromium ;;
        chromedriver) what="chromedriver, by which they do" deb=chromium-driver rpm=chromedriver ;;
        mke2fs) what="mke2fs, with which the tests make a disk" deb=e2fsprogs rpm=e2fsprogs ;;
        debootstrap) what="debootstrap, which makes roots of Debian releases" \
            deb="debootstrap debian-archive-keyring" rpm=debootstrap ;;
        polkitd) what="polkitd, which the tests' libvirtd asks" deb=polkitd rpm=polkit ;;
        dbus_daemon) what="dbus-daemon, over which it does" deb=dbus-daemon rpm=dbus-daemon ;;
        systemd) what="systemd-analyze, which reads the service's unit" deb=systemd rpm=systemd ;;
        dpkg_deb) what="dpkg-deb, which makes the package" deb=dpkg rpm=dpkg ;;
        python) what="Python 3.11 or newer" deb=python3 rpm=python3 ;;
        venv) what="Python's venv module" deb=$(python_package)-venv rpm=python3 ;;
        python_headers) what="Python's C headers" deb=$(python_package)-dev rpm=python3-devel ;;
        compiler) what="a C compiler and library" deb="gcc libc6-dev" rpm="gcc glibc-devel" ;;
        libvirt_headers) what="pkg-config and libvirt's C headers" deb="libvirt-dev pkg-config" \
            rpm="libvirt-devel pkgconf-pkg-config" ;;
    esac
}

# Debian's packages of one interpreter are named after it: python3-venv, python3.12-venv.
python_package() {
    case $python in
        /usr/bin/python3.*) echo "${python##*/}" ;;
        *) echo python3 ;;
    esac
}

# ensure NEED...: install with apt whatever of these is missing, or say how and exit 2.
ensure() {
    look_for "$@"
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        cannot_install "There is no apt-get here to install it with."
    fi
    [ -z "$debs" ] || say "packages to install:$debs"
    become_root
    # One source that cannot be read does not mean that the others lack these packages.
    # shellcheck disable=SC2086 # words
    step "reading apt's package lists" $as_root apt-get update || :
    # shellcheck disable=SC2086
    [ -z "$debs" ] || step "installing them with apt" $as_root apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $debs || cannot_install "apt-get could not install it; what it said is in $log."
    choose_python
    look_for "$@"
    [ -z "$missing" ] || cannot_install "apt-get was asked for it, and it is still not there; what it said is in $log."
}

# look_for NEED...: sets missing (for people), debs and rpms (a space before each name).
look_for() {
    missing='' debs='' rpms=''
    for need; do
        if ! present "$need"; then
            about "$need"
            missing="$missing${missing:+; }$what"
            debs="$debs${deb:+ $deb}"
            rpms="$rpms${rpm:+ $rpm}"
        fi
    done
}

# cannot_install WHY
cannot_install() {
    remedy="apt-get update"
    [ -z "$debs" ] || remedy="$remedy && apt-get install -y --no-install-recommends$debs"
    fail "missing: $missing. $1" \
        "Debian, Ubuntu (as root): $remedy" \
        ${rpms:+"Fedora, RHEL (as root):   dnf install$rpms"} \
        "Then run this again."
}

# Sets as_root, the words that a command of root's begins with. Asks for a password, where one is needed,
# before a step counts its seconds.
become_root() {
    # Neither debconf nor needrestart may wait for an answer, or restart what the host runs.
    as_root="env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l"
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null || cannot_install "Installing it needs root, and there is no sudo here."
    # shellcheck disable=SC2086 # words
    sudo -n $as_root apt-get --version >/dev/null 2>&1 || sudo -v ||
        cannot_install "Installing it needs root, and sudo refuses $(id -un)."
    as_root="sudo $as_root"
}
