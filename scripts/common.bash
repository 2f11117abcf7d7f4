# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What scripts/test-systemd and scripts/headunit-test share; sourced by them in the top folder of the source.

say() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }

# missing_packages PACKAGE...: prints those that are not installed
missing_packages() {
    local package
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
    done
}

install_packages() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=900 install --no-install-recommends "$@"
}

# build_packages FOLDER: builds the Debian packages of this source, with what is not committed yet, into FOLDER
build_packages() {
    local folder=$1
    mkdir "$folder/source"
    git ls-files -z --cached --others --exclude-standard | xargs -0 tar c --ignore-failed-read 2>/dev/null | tar x -C "$folder/source"
    if ! (cd "$folder/source" && DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc -b) >"$folder/build.log" 2>&1; then
        tail -n 40 "$folder/build.log"
        return 1
    fi
}
