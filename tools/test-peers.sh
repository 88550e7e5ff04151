#!/bin/sh
# Install the peers the tests talk to, where missing: SIPp, Kamailio and freeDiameter (Debian), a caller, a registrar and
# a Diameter relay that are not ours, tshark, which reads what went over the wire, Chromium with Chinese letters (a
# browser that is not ours), and npm's smpp (an SMSC that is not ours).
set -eu

wanted=
command -v sipp >/dev/null 2>&1 || wanted="$wanted sip-tester"
kamailio=
if ! command -v kamailio >/dev/null 2>&1 || [ ! -d /usr/share/kamailio/db_sqlite ] ||
    ! ls /usr/lib/*/kamailio/modules/presence_reginfo.so /usr/lib/*/kamailio/modules/db_sqlite.so >/dev/null 2>&1; then
    kamailio=new
    wanted="$wanted kamailio kamailio-presence-modules kamailio-sqlite-modules"
fi
if ! command -v freeDiameterd >/dev/null 2>&1 || [ ! -e /usr/lib/freeDiameter/dict_dcca_3gpp.fdx ]; then
    wanted="$wanted freediameterd freediameter-extensions"
fi
command -v openssl >/dev/null 2>&1 || wanted="$wanted openssl"
command -v tshark >/dev/null 2>&1 || wanted="$wanted tshark"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || wanted="$wanted chromium"
[ -n "$(find /usr/share/fonts /usr/local/share/fonts -name 'wqy-microhei*' 2>/dev/null)" ] ||
    wanted="$wanted fonts-wqy-microhei"
command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
command -v npm >/dev/null 2>&1 || wanted="$wanted npm"
if [ -n "$wanted" ]; then
    echo "Installing$wanted …"
    sudo=
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    # tshark's package asks who may capture; nobody is there to answer.
    noninteractive="$sudo env DEBIAN_FRONTEND=noninteractive"
    # shellcheck disable=SC2086  # a list of packages
    if ! { $sudo apt-get update -qq && $noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null; }; then
        echo "louhua: the tests need these packages; run: sudo apt-get install$wanted" >&2
        exit 1
    fi
    # The tests start a Kamailio of their own; the package's would hold SIP's port. freeDiameter's starts nothing.
    if [ "$kamailio" = new ] && command -v systemctl >/dev/null 2>&1; then
        $sudo systemctl disable --now kamailio >/dev/null 2>&1 || true
    fi
fi
if [ ! -d tests/peers/node_modules/smpp ]; then
    echo "Installing the npm peers …"
    npm ci --prefix tests/peers --no-audit --no-fund --silent
fi
