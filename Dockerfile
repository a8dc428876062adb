# Images of the program: `automation` for all processes but the workspace worker, which needs `automation-workspace`. docs/operating/images.md
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

# What compiles.
FROM ${NODE_IMAGE} AS tools
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/var/cache/npm npm ci --ignore-scripts --cache /var/cache/npm

# What runs: no package for development, no binary of another platform, no source of Temporal's core, and no compiler of workflows.
FROM tools AS packages
RUN npm prune --omit=dev --ignore-scripts \
 && rm -r node_modules/@swc node_modules/@types node_modules/@temporalio/core-bridge/sdk-core node_modules/bare-*/prebuilds node_modules/.bin \
 && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} + \
 && find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete \
 && find node_modules -type d -empty -delete

FROM tools AS program
COPY tsconfig.json ./
COPY images images
COPY src src
COPY workers workers
COPY local local
RUN node images/compile.ts /opt/automation && cp images/automation /opt/automation/automation

# For Tilt: the program as its sources, which are replaced while it runs.
FROM tools AS automation-live
COPY images/live.mjs images/live.mjs
COPY src src
COPY workers workers
USER 10001:10001
ENTRYPOINT ["node", "/build/images/live.mjs"]

FROM ${BASE_IMAGE} AS automation
COPY --from=tools /usr/local/bin/node /usr/local/bin/node
COPY --from=packages /build/node_modules /opt/automation/node_modules
COPY --from=program /opt/automation /opt/automation
ENV NODE_ENV=production
USER 10001:10001
ENTRYPOINT ["node", "/opt/automation/src/cli/automation.js"]
LABEL org.opencontainers.image.title="automation" \
      org.opencontainers.image.description="Event-driven, methodology-aware automation scheduler: api, dispatcher, relay, control worker, migration" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM automation AS automation-workspace
USER 0
# Debian keeps no older versions, so none is named.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap ca-certificates e2fsprogs git util-linux \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
USER 10001:10001
LABEL org.opencontainers.image.title="automation-workspace" \
      org.opencontainers.image.description="Workspace worker of the automation scheduler: does the work of runs in boxes"

# CycloneDX lists of what both images hold, for `--output`.
FROM automation AS packages-of-automation
RUN dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' > /tmp/debian-packages
FROM automation-workspace AS packages-of-automation-workspace
RUN dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' > /tmp/debian-packages
FROM packages AS lists
ARG VERSION=unknown
COPY images/sbom.ts images/sbom.ts
COPY --from=packages-of-automation /tmp/debian-packages automation
COPY --from=packages-of-automation-workspace /tmp/debian-packages automation-workspace
RUN node images/sbom.ts automation "${VERSION}" > /automation.cdx.json \
 && node images/sbom.ts automation-workspace "${VERSION}" > /automation-workspace.cdx.json
FROM scratch AS sbom
COPY --from=lists /automation.cdx.json /automation-workspace.cdx.json /
