#!/bin/sh
# What the firmware's tests run on, in FOLDER: the real MicroPython (its unix port, 1.25 or newer) and
# umqtt.simple, and nothing outside FOLDER is touched. Root is not needed.
#
#     sh tests/firmware/ground.sh FOLDER PYTHON
#
# FOLDER/bin/micropython   the machine's own, if new enough; else Debian 13's, unpacked beside
#                          its libraries and run by their own loader
# FOLDER/lib/umqtt         the package as published (pip checks its hash), of MicroPython's library
set -eu
umask 022
folder=$1
python=$2
suite=trixie
rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/lib" "$folder/work"
folder=$(cd "$folder" && pwd)
log="$folder/work/log"

say() { echo "The firmware's tests need $1" >&2; [ ! -s "$log" ] || tail -n 20 "$log" >&2; exit 1; }

new_enough() { # new_enough PROGRAM: it runs, and is MicroPython 1.25 or newer
    "$1" -c 'import sys, tls, asyncio
v = sys.implementation
sys.exit(not (v[0] == "micropython" and tuple(v[1][:2]) >= (1, 25)))' >/dev/null 2>&1
}

# A mirror of Debian that this machine already uses. apt knows every form of its sources; asked for what it
# would download, it needs neither lists nor root.
mirror() {
    apt-get update --print-uris 2>/dev/null | sed -n "s|^'\\([^']*/debian/\\)dists/.*|\\1|p" | head -n 1
}

# apt with sources, lists, cache and a dpkg status of its own, and that one empty: all that
# micropython needs is then resolved and downloaded, the C library included.
private_apt() {
    apt-get -qq \
        -o Dir::Etc::SourceList="$folder/work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$folder/work/state" -o Dir::State::Lists="$folder/work/lists" \
        -o Dir::State::Status="$folder/work/status" -o Dir::Cache="$folder/work/cache" \
        -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false -o Acquire::Languages=none \
        -o Debug::NoLocking=1 "$@" >>"$log" 2>&1
}

unpack_micropython() {
    command -v apt-get >/dev/null 2>&1 || say "MicroPython 1.25 or newer; please install it as 'micropython'."
    from=$(mirror)
    [ -n "$from" ] || say "MicroPython 1.25 or newer; please install it as 'micropython' (no Debian mirror in apt's sources)."
    mkdir -p "$folder/work/lists/partial" "$folder/work/cache/archives/partial" "$folder/work/state"
    : >"$folder/work/status"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    signed=""
    [ ! -r "$keyring" ] || signed="[signed-by=$keyring]"
    echo "deb $signed $from $suite main" >"$folder/work/sources.list"
    private_apt update || say "the lists of Debian 13 ($suite) from the mirror that apt uses:"
    private_apt install --yes --download-only micropython || say "micropython from Debian 13 ($suite):"
    mkdir "$folder/root"
    for package in "$folder"/work/cache/archives/*.deb; do
        dpkg -x "$package" "$folder/root" >>"$log" 2>&1 || say "to unpack $package:"
    done
    loader=$(find "$folder/root/" -name 'ld-linux-*.so.[0-9]' | head -n 1)
    libraries=$(find "$folder/root/" -type d -name '*-linux-gnu*' -path '*/lib/*' | paste -s -d : -)
    [ -n "$loader" ] || say "the loader of Debian 13's C library, which was not in the packages."
    cat >"$folder/bin/micropython" <<END
#!/bin/sh
exec "$loader" --library-path "$libraries" "$folder/root/usr/bin/micropython" "\$@"
END
    chmod +x "$folder/bin/micropython"
    new_enough "$folder/bin/micropython" || say "MicroPython 1.25 or newer, and the one unpacked does not run."
}

# pip finds it at the index that it is set to and checks the hash. It then refuses to build it (there is
# no setup.py in it), and leaves what it unpacked, which is all that is wanted.
unpack_umqtt() {
    mkdir "$folder/work/pip"
    echo 'micropython-umqtt.simple==1.3.4 --hash=sha256:b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f' \
        >"$folder/work/umqtt.txt"
    TMPDIR="$folder/work/pip" "$python" -m pip download --disable-pip-version-check --no-deps --no-clean \
        --no-cache-dir --require-hashes -d "$folder/work/pip" -r "$folder/work/umqtt.txt" >>"$log" 2>&1 || true
    found=$(find "$folder/work/pip" -path '*/umqtt/simple.py' | head -n 1)
    [ -n "$found" ] || say "micropython-umqtt.simple 1.3.4 from pip's package index:"
    cp -r "$(dirname "$found")" "$folder/lib/umqtt"
}

if new_enough micropython; then
    ln -s "$(command -v micropython)" "$folder/bin/micropython"
else
    echo "Setting up MicroPython for the firmware's tests (once; some seconds)"
    unpack_micropython
fi
unpack_umqtt
rm -rf "$folder/work"
touch "$folder/.ready"
