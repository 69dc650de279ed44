#!/bin/sh
# Runs the benchmarks, all or those named: bench.sh [NAME …]. Each prints ratios against a peer or the platform's limit measured in
# the same run; absolute times mean nothing on a shared machine.
set -eu

cd "$(dirname -- "$0")/.."
deno=${HELYOS_DENO:-deno}
sh scripts/install_tools.sh --bench
[ $# -gt 0 ] || set -- $(for file in bench/*.ts; do basename "$file" .ts; done)
for name; do
  [ -f "bench/$name.ts" ] || { echo "bench: there is no bench/$name.ts" >&2 && exit 2; }
  printf '\n== %s\n' "$name"
  "$deno" run --frozen --quiet --unstable-net --no-prompt --allow-net --allow-read --allow-write --allow-env --allow-run --allow-sys \
    "bench/$name.ts"
done
