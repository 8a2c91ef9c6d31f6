# Installs packages of packages.txt that are missing. Sourced by ./demo and .ci/run.
# shellcheck shell=sh

# packages_of FILE SECTION…: their names, one a line
packages_of() {
    packages_file=$1
    shift
    for section in "$@"; do
        awk -v wanted="[$section]" '
            { sub(/#.*/, "") }
            /^\[/ { inside = ($1 == wanted); next }
            inside && NF { print $1 }' "$packages_file"
    done
}

# packages_missing FILE SECTION…: those that are not installed
packages_missing() {
    packages_of "$@" | while read -r package; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) echo "$package" ;;
        esac
    done
}

# packages_install FILE SECTION…: as root; the network is used only when something is missing
packages_install() {
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086
    echo "installing" $missing
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update >/dev/null || return 1
    # shellcheck disable=SC2086
    apt-get -q install -y --no-install-recommends -o Dpkg::Use-Pty=0 $missing >/tmp/vdc-packages.$$ 2>&1 || {
        tail -n 20 /tmp/vdc-packages.$$ >&2
        rm -f /tmp/vdc-packages.$$
        echo "cannot install the packages; is a Debian 12 mirror in /etc/apt/sources.list?" >&2
        return 1
    }
    rm -f /tmp/vdc-packages.$$
}
