#!/bin/sh
# Debian packages that the tests use: real brokers, clients and players. Installs what is
# missing when it may; else says in one sentence what to install.
set -eu
missing=""
need() { # need COMMAND PACKAGE
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need mosquitto mosquitto
need mosquitto_sub mosquitto-clients
need mpv mpv
need ffmpeg ffmpeg
need chromium chromium
need tmux tmux
need playerctl playerctl
need dbus-run-session dbus
need dbus-daemon dbus-daemon
need caddy caddy
need nginx nginx-light
need Xvfb xvfb
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then sudo=""
elif sudo -n true 2>/dev/null; then sudo="sudo -n"
else
    echo "The tests need these packages; please install them:$missing" >&2
    exit 1
fi
command -v apt-get >/dev/null 2>&1 || { echo "The tests need these programs; please install them:$missing" >&2; exit 1; }
echo "Installing for the tests:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # words are meant
{ $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
# Debian starts these as services; the tests start their own.
for service in mosquitto caddy nginx; do $sudo service "$service" stop >/dev/null 2>&1 || true; done
rm -f "$log"
