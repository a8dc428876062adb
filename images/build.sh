#!/bin/sh
# Builds both images, and their CycloneDX lists into sbom/. Options are passed to the builder, for example `--build-arg BASE_IMAGE=…`.
# TAG: of the images, the program's version unless set. BUILDER: buildah, podman or docker, the first that there is unless set.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
tag=${TAG:-$version}
for builder in ${BUILDER:-buildah podman docker}; do
  if command -v "$builder" > /dev/null; then break; fi
  builder=
done
if [ -z "$builder" ]; then
  echo "images/build.sh: no ${BUILDER:-buildah, podman or docker} here; install one (Debian: apt-get install buildah) and start again" >&2
  exit 1
fi
if [ "$builder" = buildah ]; then set -- --layers "$@"; fi

build() {
  "$builder" build "$@" \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" \
    --label "org.opencontainers.image.created=$(git log -1 --format=%cI)" \
    .
}
build "$@" --target automation --tag "automation:$tag"
build "$@" --target automation-workspace --tag "automation-workspace:$tag"
build "$@" --target sbom --build-arg "VERSION=$version" --output "type=local,dest=sbom"
