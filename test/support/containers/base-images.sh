#!/bin/sh
# Makes what the Dockerfile begins with out of Debian's packages and the Node of node_modules, for machines without an image registry:
# localhost/automation-test/debian and localhost/automation-test/node. Those that are there stay.
set -eu
cd "$(dirname "$0")/../../.."
node_version=$(node_modules/.bin/node -p process.versions.node)
debian=localhost/automation-test/debian:bookworm
node=localhost/automation-test/node:$node_version-bookworm

if ! buildah inspect --type image "$debian" > /dev/null 2>&1; then
  echo "making $debian of Debian's packages (a minute or two)"
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Retries "3"' bookworm "$made/debian.tar"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$made/debian.tar" / > /dev/null
  buildah commit --quiet --rm "$container" "$debian" > /dev/null
fi

if ! buildah inspect --type image "$node" > /dev/null 2>&1; then
  echo "making $node of $debian"
  container=$(buildah from --pull-never "$debian")
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  buildah copy --quiet "$container" node_modules/node/bin/node /usr/local/bin/node > /dev/null
  buildah copy --quiet "$container" "$npm" /usr/local/lib/node_modules/npm > /dev/null
  # the authorities that this machine trusts: its way to the registry may have one of its own
  buildah copy --quiet "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt > /dev/null
  buildah config --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$container"
  buildah run --isolation chroot "$container" -- ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  buildah commit --quiet --rm "$container" "$node" > /dev/null
fi
