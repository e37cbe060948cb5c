#!/bin/sh
# Installs edgecolor from the folder of this file, without a network.
set -eu

usage() {
    cat <<END
usage: sh install.sh [--prefix FOLDER] [--uninstall]

Installs edgecolor into FOLDER (default: /opt/edgecolor) and checks that the model reproduces its reference outputs.
Without --prefix, the installer also puts edgecolor on the PATH and makes the service edgecolor known to systemd,
without enabling it. Otherwise nothing outside FOLDER changes. You can run the installer again at any time. A newer
bundle replaces an older one and keeps edgecolor.env. If the bundle was made with --trusted, the model must be signed.
The keys of the first bundle stay in FOLDER/trusted.pub, and every later model must be signed with one of them.
END
}

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=/opt/edgecolor
standard=yes
task=install
while [ $# -gt 0 ]; do
    case $1 in
    --prefix)
        [ $# -gt 1 ] || { usage >&2; exit 2; }
        prefix=$2 standard=no
        shift
        ;;
    --uninstall) task=uninstall ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
case $prefix in
*[!A-Za-z0-9/._+-]*) fail "$prefix: systemd needs a path of letters, digits and /._+- only. Choose another --prefix" ;;
/*) ;;
*) prefix=$PWD/$prefix ;;
esac

uninstall() {
    [ -f "$prefix/current/bundle.conf" ] || fail "edgecolor is not installed in $prefix. Name its folder with --prefix"
    if [ $standard = yes ]; then
        [ ! -d /run/systemd/system ] || systemctl stop edgecolor.service
        systemctl disable edgecolor.service
        rm -f /usr/local/bin/edgecolor
    fi
    rm -rf "$prefix"/release-* "$prefix/current" "$prefix/edgecolor.service" "$prefix/trusted.pub"
    if cmp -s "$here/edgecolor.env" "$prefix/edgecolor.env"; then
        rm -f "$prefix/edgecolor.env"
    fi
    rmdir "$prefix" 2>/dev/null || echo "kept your settings: $prefix"
}

check_bundle() {
    (cd "$here" && sha256sum --check --quiet --strict SHA256SUMS >/dev/null 2>&1) ||
        fail "this bundle is damaged. Copy it to this device again. To see the damaged files, run: cd $here; sha256sum --check --quiet SHA256SUMS"
}

check_machine() {
    system=$(python3 -c 'import platform, struct, sys
print("%d.%d" % sys.version_info[:2], 8 * struct.calcsize("P"), platform.machine())') ||
        fail "edgecolor needs Python $PYTHON. Install it with: apt install python3"
    for machine in $MACHINES; do
        [ "$system" != "$PYTHON $BITS $machine" ] || return 0
    done
    fail "this bundle is for $TARGET (Python $PYTHON, $BITS bits, $MACHINES), but this device has: $system. Make a bundle for it"
}

# Sets keys to the file of the keys that must have signed the model; empty if the model needs no signature.
choose_keys() {
    keys=
    if [ -f "$prefix/trusted.pub" ]; then
        [ -f "$here/trusted.pub" ] || fail "this device demands signed models, and this bundle was made without --trusted. Make the bundle with --trusted, or remove $prefix/trusted.pub"
        keys=$prefix/trusted.pub
    elif [ -f "$here/trusted.pub" ]; then
        keys=$here/trusted.pub
    fi
}

# Unpacks the bundle's Debian packages, which replace missing wheels, if the system has not installed them all.
unpack_debs() {
    [ -d "$here/debs" ] || return 0
    ! python3 -c "import numpy, PIL${keys:+, cryptography}" 2>/dev/null || return 0
    command -v dpkg-deb >/dev/null || fail "edgecolor needs numpy and Pillow. Install them with: apt install python3-numpy python3-pil${keys:+ python3-cryptography}"
    mkdir "$release/debian"
    for deb in "$here"/debs/*.deb; do
        dpkg-deb -x "$deb" "$release/debian"
    done
    echo "$release/debian/usr/lib/python3/dist-packages" >"$(echo "$release"/venv/lib/python3*/site-packages)/debian.pth"
    for folder in "$release"/debian/usr/lib/*-linux-gnu*; do
        libraries=$folder:$folder/blas:$folder/lapack
    done
}

make_release() {
    python3 -m venv --without-pip --system-site-packages "$release/venv"
    libraries=
    unpack_debs
    # pip's settings on this machine must not add an index.
    set -- --no-index --find-links "$here/wheels" "edgecolor${keys:+[sign]}"
    # A 32-bit system may run under a 64-bit kernel; pip would resolve the dependencies of a 64-bit system.
    [ "$BITS" = 64 ] || set -- --no-index --no-deps "$here"/wheels/*.whl
    PIP_CONFIG_FILE=/dev/null "$release/venv/bin/python" "$(echo "$here"/wheels/pip-*.whl)/pip" --isolated install \
        --quiet --disable-pip-version-check --no-warn-script-location "$@"
    {
        echo '#!/bin/sh'
        [ -z "$libraries" ] || echo "export LD_LIBRARY_PATH=$libraries"
        echo "exec $release/venv/bin/edgecolor \"\$@\""
    } >"$release/edgecolor"
    chmod 755 "$release/edgecolor"
    cp "$here/bundle.conf" "$release/"
    model=$MODEL
    if [ -f "$here/$MODEL" ]; then
        cp "$here/$MODEL" "$release/"
        [ -z "$keys" ] || cp "$here/$MODEL.minisig" "$release/"
        model=$release/$MODEL
    fi
    code=0
    "$release/edgecolor" check "$model" ${keys:+--trusted "$keys"} || code=$?
    [ $code != 5 ] || fail "the model is refused on this device, and nothing was installed"
    [ $code = 0 ] || fail "the model does not reproduce its reference outputs on this device. Run: $release/edgecolor doctor"
}

install() {
    check_machine
    choose_keys
    release=$prefix/release-$(sha256sum "$here/SHA256SUMS" | cut -c 1-12)
    if [ "$(readlink "$prefix/current" || true)" != "$release" ]; then
        rm -rf "$release" # left by an interrupted installation
        mkdir -p "$release"
        make_release
    fi
    model=$MODEL
    [ ! -f "$here/$MODEL" ] || model=$prefix/current/$MODEL
    [ -z "$keys" ] || [ -f "$prefix/trusted.pub" ] || cp "$keys" "$prefix/trusted.pub"
    sed "s|@PREFIX@|$prefix|g; s|@MODEL@|$model|; s|@TRUSTED@|${keys:+--trusted $prefix/trusted.pub}|" "$here/edgecolor.service" >"$prefix/edgecolor.service"
    [ -f "$prefix/edgecolor.env" ] || cp "$here/edgecolor.env" "$prefix/"
    ln -sfn "$release" "$prefix/new" && mv -T "$prefix/new" "$prefix/current"
    if [ $standard = yes ]; then
        ln -sfn "$prefix/current/edgecolor" /usr/local/bin/edgecolor
        systemctl link "$prefix/edgecolor.service"
        if [ -d /run/systemd/system ]; then # false while an image for a card is made
            systemctl daemon-reload
            systemctl try-restart edgecolor.service
        fi
    fi
    for old in "$prefix"/release-*; do
        [ "$old" = "$release" ] || rm -rf "$old"
    done
    echo "installed: $prefix/current/edgecolor"
    [ $standard = no ] || echo "to start edgecolor with the device, run: systemctl enable --now edgecolor"
}

[ -f "$here/SHA256SUMS" ] || fail "the other files of the bundle are missing. Unpack the whole bundle, then run its install.sh"
check_bundle
. "$here/bundle.conf"
if [ $standard = yes ] && [ "$(id -u)" != 0 ]; then
    fail "installing into $prefix needs root rights. Run it with sudo, or run: sh install.sh --prefix ~/edgecolor"
fi
$task
