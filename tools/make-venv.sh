#!/bin/sh
# Make .venv and install the given requirement ("." or ".[test]") with the versions of constraints.txt.
set -eu

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$candidate"
            return
        fi
    done
    echo "louhua: Python 3.11 or newer was not found; install it, or name it: make setup PYTHON=/path/to/python" >&2
    exit 1
}

# Debian keeps venv in a package of its own.
install_venv_package() {
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    echo "Installing $package …"
    sudo=
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    if ! { $sudo apt-get update -qq && $sudo apt-get install -y -qq "$package" >/dev/null; }; then
        echo "louhua: this Python lacks venv; run: sudo apt-get install $package" >&2
        exit 1
    fi
}

if [ ! -x .venv/bin/pip ]; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_package "$python"
    echo "Making .venv …"
    "$python" -m venv .venv
fi
echo "Installing $1 into .venv …"
.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable "$1"
