#!/bin/sh
# PostgreSQL, Redis, nginx, openssl, faketime and Chromium for the tests: nothing to do where they are, apt-get where root may, a clear sentence elsewhere.
set -eu

has_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1; }
has_redis() { command -v redis-server >/dev/null 2>&1; }

missing=""
has_postgres || missing="postgresql"
has_redis || missing="${missing:+$missing }redis-server"
# /usr/sbin is not in everybody's PATH.
[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null 2>&1 || missing="${missing:+$missing }nginx"
command -v openssl >/dev/null 2>&1 || missing="${missing:+$missing }openssl"
command -v faketime >/dev/null 2>&1 || missing="${missing:+$missing }faketime"
command -v chromium-headless-shell >/dev/null 2>&1 || missing="${missing:+$missing }chromium-headless-shell"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the tests: $missing ..."
    export DEBIAN_FRONTEND=noninteractive
    # The tests start servers of their own: none of the machine's is to be started.
    printf '#!/bin/sh\nexit 101\n' >/tmp/srs-policy-rc.d.$$
    chmod +x /tmp/srs-policy-rc.d.$$
    placed=""
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        mv /tmp/srs-policy-rc.d.$$ /usr/sbin/policy-rc.d
        placed=yes
    fi
    trap '[ -z "$placed" ] || rm -f /usr/sbin/policy-rc.d; rm -f /tmp/srs-policy-rc.d.$$' EXIT
    apt-get update -qq
    # shellcheck disable=SC2086  (a list of packages)
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi

echo "The tests need programs that are not installed here: $missing." >&2
echo "Install them as root and try again: apt-get install $missing" >&2
exit 1
