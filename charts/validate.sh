#!/bin/bash
# Checks the chart without a cluster: values, rendered twice, unit tests, every object against its schema, and what kube-score finds.
# Programs come from the cache of engines, and are built there once. `npm run test:chart` also installs the chart.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"
[ -x node_modules/.bin/node ] || { echo "packages are missing; run: npm ci"; exit 1; }
chart=charts/automation-scheduler
found=$(node test/support/engines/chart/print-chart-tools.ts | tail -1)
export PATH="${found% *}:$PATH"
schemas=${found#* }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export HELM_CACHE_HOME=$out/helm HELM_CONFIG_HOME=$out/helm HELM_DATA_HOME=$out/helm

render() { helm template automation-scheduler "$chart" --namespace automation --values "$1" --dry-run=client; }

for values in "$chart"/ci/*-values.yaml examples/values/paired-values.yaml; do
  name=$(basename "$values" -values.yaml)
  helm lint --strict --quiet --namespace automation --values "$values" "$chart"
  render "$values" >"$out/$name.yaml"
  render "$values" >"$out/$name.again.yaml"
  cmp "$out/$name.yaml" "$out/$name.again.yaml" || { echo "$values: two renderings differ; templates may not use time, chance or the cluster"; exit 1; }
  kubeconform -strict -summary -schema-location "$schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json" "$out/$name.yaml"
done
# What Tilt applies beside the chart; tests evaluate the Tiltfile itself.
kubeconform -strict -summary -schema-location "$schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json" tilt/namespaces.yaml tilt/engines
for values in "" --values=tilt/values-full.yaml; do
  helm template automation-scheduler "$chart" --namespace automation --values tilt/values.yaml $values --values tilt/values-live.yaml --set migration.mode=job |
    kubeconform -strict -schema-location "$schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json"
done
# Left out of what kube-score asks for: limits of CPU, which throttle even where nobody else wants it; pulling an image that a digest fixes; anti-affinity, since constraints of topology spread pods.
kube-score score --output-format ci --ignore-container-cpu-limit --ignore-test container-image-pull-policy,deployment-has-host-podantiaffinity,pod-probes-identical \
  "$out/production.yaml" >"$out/score" || { grep -E '^\[(CRITICAL|WARNING)' "$out/score"; exit 1; }
helm-unittest --strict "$chart"
