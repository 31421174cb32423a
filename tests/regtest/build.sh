#!/usr/bin/env bash
# Builds the real nodes of the regtest suite (btcd, btcctl, lnd-0.21, lnd-0.20) from the Go modules in nodes/.
#
#   build.sh [FOLDER]    default: target/regtest at the top of the repository
#
# The first build takes minutes. Later calls find the stamp and return at once, until a module, this script or the
# Go version changes. Callers may run at the same time: one builds, the others wait. Without Go: exit code 3.
set -euo pipefail

command -v go >/dev/null || { echo "regtest: skipped, no Go toolchain" >&2; exit 3; }

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
mkdir -p "${1:-$here/../../target/regtest}"
out=$(realpath "${1:-$here/../../target/regtest}")
cd "$here"

# go build inherits the lock: should this script be killed, the next caller waits for what still writes.
exec 9>"$out/.lock"
flock 9

want=$({ go version; sha256sum build.sh nodes/v0.2{0,1}/go.{mod,sum}; } | sha256sum)
nodes=(btcd btcctl lnd-0.21 lnd-0.20)
whole=$(cat "$out/.stamp" 2>/dev/null || true)
for node in "${nodes[@]}"; do [[ -x $out/$node ]] || whole=; done
if [[ $whole == "$want" ]]; then exit 0; fi

echo "regtest: building btcd and lnd, some minutes the first time" >&2
new=$out/.new
rm -rf "$new"
mkdir "$new"

# The tag `integration` is that of lnd's own tests: cheap key stretching and quick timers, so nodes start fast.
export CGO_ENABLED=0 GOWORK=off
build() { go build -C "nodes/$1" -trimpath -tags "invoicesrpc integration" -o "$new/$2" "${@:3}"; }
lnd=github.com/lightningnetwork/lnd/cmd/lnd
build v0.21 "" github.com/btcsuite/btcd github.com/btcsuite/btcd/cmd/btcctl
build v0.21 lnd-0.21 "$lnd"
build v0.20 lnd-0.20 "$lnd"

# Each rename is atomic, and the stamp goes first and comes back last: it never vouches for a half-replaced set.
rm -f "$out/.stamp"
for node in "${nodes[@]}"; do mv -f "$new/$node" "$out/$node"; done
echo "$want" >"$new/.stamp"
mv "$new/.stamp" "$out/.stamp"
rmdir "$new"
