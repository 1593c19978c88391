#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Puts everything Weft is built from on a Debian 12 machine, and touches nothing that is there.
#
#   deploy/bootstrap.sh            installs what is missing; a second run ends at once
#   deploy/bootstrap.sh --list     prints the packages by name
#
# Packages come from Debian under their own names. libfaiss_c, which Debian ships in source only,
# is built from Debian's source package `faiss`, fetched over the machine's own mirrors through a
# source list in a temporary directory, so the machine's apt configuration stays as it is.
# It is built twice, for any x86-64 and for x86-64-v3 (AVX2, FMA); the dynamic loader picks:
#
#   PREFIX/lib/libfaiss.so libfaiss_c.so                            any x86-64
#   PREFIX/lib/glibc-hwcaps/x86-64-v3/libfaiss.so libfaiss_c.so     Haswell and later
#   PREFIX/include/faiss/...                                        C++ and C (c_api/) headers
#
# PREFIX is $WEFT_FAISS_PREFIX, else /opt/weft-faiss for root and ~/.local/weft-faiss for others.
# A libfaiss_c that the linker already finds is used as it is, and nothing is built.
set -eu

packages='
ca-certificates gcc g++ make git cmake ninja-build pkg-config dpkg-dev xz-utils
clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev
libgrpc-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler
libopenblas-dev libxgboost-dev libconfig-dev libjansson-dev libxxhash-dev libzstd-dev
zlib1g-dev libroaring-dev liburcu-dev libmicrohttpd-dev libcmocka-dev
python3 python3-grpcio protobuf-compiler-grpc python3-protobuf zstd
'
hwcaps=lib/glibc-hwcaps/x86-64-v3
work=

say() {
    echo "bootstrap: $*"
}

die() {
    echo "bootstrap: $*" >&2
    exit 1
}

cleanup() {
    [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# Runs a command as root, through sudo where it must.
as_root() {
    if is_root; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# ---- packages ----

missing_packages() {
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
        sed -n 's/^installed //p')
    for p in $packages; do
        printf '%s\n' "$installed" | grep -qx -e "$p" || printf '%s ' "$p"
    done
}

install_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if ! is_root && ! command -v sudo >/dev/null 2>&1; then
        die "these packages are missing and neither root nor sudo is here to install them:
    $missing
  Run this as root:  apt-get update && apt-get install --no-install-recommends $missing"
    fi
    say "installing $missing"
    as_root apt-get -q update || say "some package lists could not be refreshed; going on with what is there"
    # shellcheck disable=SC2086 # a list of words on purpose
    as_root apt-get -q -y install --no-install-recommends $missing ||
        die "apt-get could not install all of: $missing"
}

# ---- libfaiss_c ----

faiss_prefix() {
    if [ -n "${WEFT_FAISS_PREFIX:-}" ]; then
        echo "$WEFT_FAISS_PREFIX"
    elif is_root || faiss_is_in /opt/weft-faiss; then
        echo /opt/weft-faiss
    else
        echo "$HOME/.local/weft-faiss"
    fi
}

faiss_is_in() {
    [ -e "$1/lib/libfaiss_c.so" ] && [ -e "$1/lib/libfaiss.so" ] &&
        [ -e "$1/$hwcaps/libfaiss_c.so" ] && [ -e "$1/$hwcaps/libfaiss.so" ] &&
        [ -e "$1/include/faiss/c_api/Index_c.h" ] && [ -e "$1/include/faiss/Index.h" ]
}

# A libfaiss_c installed by somebody else, with its headers, where the compiler looks anyway.
faiss_is_on_system() {
    [ -z "${WEFT_FAISS_PREFIX:-}" ] || return 1
    /sbin/ldconfig -p 2>/dev/null | grep -q 'libfaiss_c\.so' || return 1
    [ -e /usr/local/include/faiss/c_api/Index_c.h ] || [ -e /usr/include/faiss/c_api/Index_c.h ]
}

# The machine's own Debian entries, as deb-src lines on stdout. Only the suites of this release are
# taken: third-party repositories beside them are none of our business.
source_lines() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        awk -v suite="$1" '
            $1 == "deb" || $1 == "deb-src" {
                options = ""; i = 2
                if ($2 ~ /^\[/) {
                    do { word = $i; options = options " " word; i++ } while (word !~ /\]$/ && i <= NF)
                    sub(/ *arch=[^] ]*/, "", options)
                    if (options ~ /^ *\[ *\] *$/) options = ""
                }
                if ($(i + 1) == suite) print "deb-src" options, $i, suite, "main"
            }'
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -e "$f" ] || continue
        # A blank line ends a stanza, a leading space continues a field (an inline key, say: those
        # stanzas are passed over, apt trusts Debian by its installed keyring anyway).
        awk -v suite="$1" '
            function flush_stanza(   u, n, i, s, m, j) {
                if (f["enabled"] !~ /^no/) {
                    n = split(f["uris"], u, " "); m = split(f["suites"], s, " ")
                    for (i = 1; i <= n; i++) for (j = 1; j <= m; j++) if (s[j] == suite)
                        print "deb-src" (f["signed-by"] ~ /^\// ? " [signed-by=" f["signed-by"] "]" : ""), \
                            u[i], suite, "main"
                }
                split("", f)
            }
            /^[ \t]*$/ { flush_stanza(); next }
            /^#/ { next }
            /^[ \t]/ { next }
            {
                key = tolower($0); sub(/:.*/, "", key)
                value = $0; sub(/^[^:]*:[ \t]*/, "", value); sub(/[ \t\r]+$/, "", value)
                f[key] = value
            }
            END { flush_stanza() }' "$f"
    done
}

fetch_faiss_source() {
    # shellcheck disable=SC1091 # a file of the system
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    source_lines "$suite" | sort -u >"$work/sources.list"
    [ -s "$work/sources.list" ] ||
        die "no apt source for '$suite' under /etc/apt: cannot fetch Debian's source package faiss"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/src"
    chmod 755 "$work"
    if is_root && id _apt >/dev/null 2>&1; then
        chown _apt "$work/src"
    fi
    set -- -q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Get::List-Cleanup=0
    apt-get "$@" update
    (cd "$work/src" && apt-get "$@" source faiss)
    for d in "$work"/src/faiss-*/; do
        source_dir=${d%/}
    done
    [ -e "$source_dir/c_api/CMakeLists.txt" ] ||
        die "Debian's source package faiss came without c_api/"
}

# build_faiss NAME FLAGS: configures and builds into $work/NAME. BLAS is named so that a machine
# with several does not decide.
build_faiss() {
    cmake -S "$source_dir" -B "$work/$1" -G Ninja --no-warn-unused-cli -Wno-dev \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="$2" -DBUILD_SHARED_LIBS=ON \
        -DFAISS_ENABLE_C_API=ON -DFAISS_ENABLE_GPU=OFF -DFAISS_ENABLE_PYTHON=OFF \
        -DBUILD_TESTING=OFF -DFAISS_OPT_LEVEL=generic \
        -DBLA_VENDOR=OpenBLAS -DCMAKE_DISABLE_FIND_PACKAGE_MKL=ON \
        -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_INCLUDEDIR=include \
        -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON "-DCMAKE_INSTALL_RPATH=\$ORIGIN" \
        >"$work/$1.log" 2>&1 || { tail -20 "$work/$1.log" >&2; die "FAISS ($1) does not configure"; }
    cmake --build "$work/$1" --target faiss faiss_c >"$work/$1.log" 2>&1 ||
        { tail -40 "$work/$1.log" >&2; die "FAISS ($1) does not build"; }
}

copy_libraries() {
    mkdir -p "$2"
    find "$1" \( -name 'libfaiss.so*' -o -name 'libfaiss_c.so*' \) -exec cp -a {} "$2" \;
    strip --strip-unneeded "$2"/*.so
}

install_faiss() {
    if faiss_is_on_system; then
        return 0
    fi
    prefix=$(faiss_prefix)
    if faiss_is_in "$prefix"; then
        return 0
    fi
    [ "$(uname -m)" = x86_64 ] || die "Weft runs on x86-64, this is $(uname -m)"
    mkdir -p "$(dirname "$prefix")" 2>/dev/null && [ -w "$(dirname "$prefix")" ] ||
        die "cannot write $prefix: set WEFT_FAISS_PREFIX to a directory of yours"
    work=$(mktemp -d "${TMPDIR:-/tmp}/weft-bootstrap.XXXXXX")
    say "building libfaiss_c from Debian's source package into $prefix (about two minutes)"
    fetch_faiss_source
    build_faiss baseline ""
    build_faiss v3 "-march=x86-64-v3"
    rm -rf "$prefix.new"
    cmake --install "$work/baseline" --prefix "$prefix.new" >/dev/null
    copy_libraries "$work/baseline" "$prefix.new/lib"
    copy_libraries "$work/v3" "$prefix.new/$hwcaps"
    rm -rf "$prefix"
    mv "$prefix.new" "$prefix"
    say "libfaiss_c is in $prefix"
}

case "${1:-}" in
--list)
    # shellcheck disable=SC2086 # a list of words on purpose
    printf '%s\n' $packages
    exit 0
    ;;
'') ;;
*) die "usage: deploy/bootstrap.sh [--list]" ;;
esac
command -v dpkg-query >/dev/null 2>&1 || die "this installs Debian packages; there is no dpkg here.
  Install the equivalents of: $(echo $packages)
  and FAISS with its C API, then run cmake by hand."
install_packages
install_faiss
