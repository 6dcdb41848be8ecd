#!/usr/bin/env bash
# install.sh FOLDER: the peers of the benchmark `delivery` with their packages from npm, in a folder that is thrown away.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
cp "$here"/*.mjs .
echo '{ "private": true }' >package.json
npm install --no-audit --no-fund --no-package-lock \
    graphile-worker@0.17.3 pg-boss@10.4.2 nodemailer@10.6.0 pg@8.23.1 >/dev/null
for package in graphile-worker pg-boss nodemailer pg; do
    printf '%s %s, ' "$package" "$(node -p "require('./node_modules/$package/package.json').version")"
done >versions
printf 'Node %s\n' "$(node --version)" >>versions
