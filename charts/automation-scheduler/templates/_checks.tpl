{{/* Values that fit the schema and can't work together: all of them at once, each with its remedy, one a line. */}}
{{- define "automation.faults" -}}
{{- $v := .Values }}
{{- $processes := include "automation.processes" . | fromYaml }}
{{- $usesBus := or $v.dispatcher.enabled $v.relay.enabled $v.migration.enabled }}
{{- $usesTemporal := or $v.dispatcher.enabled $v.workerControl.enabled $v.workerWorkspace.enabled }}
{{- $usesObjects := or $v.api.enabled $v.migration.enabled }}
{{- $isWorker := or $v.workerControl.enabled $v.workerWorkspace.enabled }}
{{- $config := $v.operator.config }}

{{- if and (or $v.api.enabled $v.dispatcher.enabled $v.relay.enabled $v.migration.enabled) (not $v.postgres.host) }}
postgres.host is empty: set it to that of the PostgreSQL for the database {{ $v.postgres.database }}
{{- end }}
{{- if and $usesBus (empty $v.kafka.brokers) (empty $v.nats.servers) }}
kafka.brokers and nats.servers are empty: name the brokers, for example --set 'kafka.brokers={kafka:9092}', or the servers of NATS
{{- end }}
{{- if and $usesBus $v.kafka.brokers (not $v.kafka.cluster) }}
kafka.cluster is empty: give the cluster the name that `sources` of the operator file use
{{- end }}
{{- if and $usesBus $v.nats.servers (not $v.nats.cluster) }}
nats.cluster is empty: give the servers the name that `sources` of the operator file use
{{- end }}
{{- if and $v.relay.enabled $v.kafka.brokers $v.nats.servers (not $v.eventBus) }}
eventBus is empty, and there are kafka.brokers and nats.servers: set it to kafka or nats, the bus that gets run events
{{- end }}
{{- if or (and (eq $v.eventBus "kafka") (empty $v.kafka.brokers)) (and (eq $v.eventBus "nats") (empty $v.nats.servers)) }}
eventBus is {{ $v.eventBus }}, and that bus has no addresses: name them, or choose the other bus
{{- end }}
{{- if and $v.dispatcher.enabled $v.dispatcher.keda.enabled (empty $v.kafka.brokers) }}
dispatcher.keda.enabled is true, and kafka.brokers is empty: dispatchers are scaled by the lag on Kafka; disable it, and set dispatcher.replicas
{{- end }}
{{- if and $v.kafka.sasl.mechanism (not $v.kafka.sasl.username) }}
kafka.sasl.username is empty, and kafka.sasl.mechanism is {{ $v.kafka.sasl.mechanism }}: name the user
{{- end }}
{{- if and (eq $v.kafka.sasl.mechanism "PLAIN") (not $v.kafka.tls.enabled) }}
kafka.sasl.mechanism PLAIN without kafka.tls.enabled sends the password in clear: enable TLS, or use SCRAM-SHA-512
{{- end }}
{{- if $usesTemporal }}
{{- range $name := list "address" "namespace" }}
{{- if not (index $v.temporal $name) }}
temporal.{{ $name }} is empty: set it to that of the Temporal that runs the workflows
{{- end }}
{{- end }}
{{- end }}
{{- if $usesObjects }}
{{- range $name := list "endpoint" "region" "bucket" }}
{{- if not (index $v.objectStore $name) }}
objectStore.{{ $name }} is empty: set it to that of the S3 bucket for artifacts
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.api.enabled (not $v.issuer.url) }}
issuer.url is empty: set it to the OpenID issuer of the tokens, exactly as their `iss` has it
{{- end }}
{{- $drained := add $v.api.preStopSeconds 10 }}
{{- if and $v.api.enabled (lt (int $v.api.terminationGracePeriodSeconds) (int $drained)) }}
api.terminationGracePeriodSeconds is {{ $v.api.terminationGracePeriodSeconds }}, and api.preStopSeconds ({{ $v.api.preStopSeconds }}) with 10 s to drain is {{ $drained }}: the api would be killed before its calls end; give it {{ $drained }} or more
{{- end }}
{{- if and $isWorker (not $v.api.enabled) (not $v.api.externalUrl) }}
api.externalUrl is empty, and the api is not enabled: name the api that the workers call
{{- end }}

{{- if and (or $v.api.enabled $v.dispatcher.enabled) (not $v.operator.existingConfigMap) }}
{{- if not (dig "proof" "baseUri" "" $config) }}
operator.config.proof.baseUri is missing: give the prefix of signed URIs, or name a ConfigMap with operator.yaml as operator.existingConfigMap
{{- end }}
{{- if and $v.dispatcher.enabled (empty (dig "sources" (list) $config)) }}
operator.config.sources is empty: no tenant could ask for runs; bind at least one source to its tenants
{{- end }}
{{- if and $v.workerWorkspace.enabled (not (has $v.workerWorkspace.isolation (dig "workspaces" "isolation" (list) $config))) }}
operator.config.workspaces.isolation lacks {{ $v.workerWorkspace.isolation }}, the class of workerWorkspace.isolation: list it, or set workerWorkspace.enabled to false
{{- end }}
{{- if and $v.api.enabled (dig "methodologies" (dict) $config) (ne $v.secrets.provider "none") (empty $v.api.extraVolumes) (not (or $v.secrets.methodologyTokens.existingSecret $v.secrets.methodologyTokens.remoteKey)) }}
secrets.methodologyTokens is empty, and operator.config.methodologies is not: name the Secret with their tokens; its keys are files below /etc/automation/methodology-tokens
{{- end }}
{{- end }}

{{- if ne $v.secrets.provider "none" }}
{{- range $secret := splitList "," (include "automation.secretsInUse" .) }}
{{- $own := index $v.secrets $secret }}
{{- if and (eq $v.secrets.provider "existing") (not $own.existingSecret) }}
secrets.{{ $secret }}.existingSecret is empty: name a Secret with {{ $own.keys | default dict | values | sortAlpha | join ", " }}, or set secrets.provider to external or none; this chart generates no secret
{{- end }}
{{- if and (eq $v.secrets.provider "external") (not $own.remoteKey) }}
secrets.{{ $secret }}.remoteKey is empty: name the entry of the store that has {{ $own.keys | default dict | values | sortAlpha | join ", " }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $v.secrets.provider "external" }}
{{- if not $v.secrets.externalSecrets.storeName }}
secrets.externalSecrets.storeName is empty: name the {{ $v.secrets.externalSecrets.storeKind }} to read from
{{- end }}
{{- if and $v.migration.enabled (eq $v.migration.mode "hook") }}
migration.mode is hook, which runs before the Secrets of secrets.provider external exist: set migration.mode to job
{{- end }}
{{- end }}

{{- range $key, $_ := $processes }}
{{- $own := index $v $key }}
{{- $hpa := $own.hpa | default dict }}
{{- $keda := $own.keda | default dict }}
{{- $least := $hpa.enabled | default false | ternary $hpa.minReplicas ($keda.enabled | default false | ternary $keda.minReplicas $own.replicas) }}
{{- $most := $hpa.enabled | default false | ternary $hpa.maxReplicas ($keda.enabled | default false | ternary $keda.maxReplicas $own.replicas) }}
{{- if and $hpa.enabled $keda.enabled }}
{{ $key }}.hpa.enabled and {{ $key }}.keda.enabled are both true: two autoscalers would undo each other; disable one
{{- end }}
{{- if gt (int $least) (int $most) }}
{{ $key }}: minReplicas {{ $least }} is above maxReplicas {{ $most }}: raise the latter
{{- end }}
{{- if and (eq $key "dispatcher") $v.kafka.brokers (empty $v.nats.servers) (gt (int $most) (int $v.kafka.requestPartitions)) }}
dispatcher: {{ $most }} replicas are more than the {{ $v.kafka.requestPartitions }} partitions of kafka.requestPartitions, and some would idle: lower them, or add partitions
{{- end }}
{{- if and $own.podDisruptionBudget.enabled (hasKey $own.podDisruptionBudget "minAvailable") }}
{{- if ge (int $own.podDisruptionBudget.minAvailable) (int $least) }}
{{ $key }}.podDisruptionBudget.minAvailable {{ $own.podDisruptionBudget.minAvailable }} is not below the {{ $least }} replicas, so no node could be drained: lower it, or add replicas
{{- end }}
{{- end }}
{{- end }}

{{- if $v.workerWorkspace.enabled }}
{{- if eq (include "automation.workspaceNamespace" .) .Release.Namespace }}
workerWorkspace.namespace.name is the namespace of the release: pods that run strangers' programs need one of their own; name another
{{- end }}
{{- if and (eq $v.workerWorkspace.isolation "userns") (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) }}
workerWorkspace.isolation userns needs user namespaces of pods, and Kubernetes {{ .Capabilities.KubeVersion.Version }} has them off: use 1.33 or later, or isolation uid on nodes of its own
{{- end }}
{{- end }}

{{- if and $v.gateway.enabled (empty $v.gateway.parentRefs) }}
gateway.parentRefs is empty: name the Gateway that the route belongs to
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hostname) }}
ingress.hostname is empty: name the host under which the api is reached
{{- end }}
{{- if $v.probe.enabled }}
{{- range $name := list "tenant" "org" "event" "tokenSecret" }}
{{- if empty (index $v.probe $name) }}
probe.{{ $name }} is empty: `helm test` needs it; set it, or probe.enabled to false
{{- end }}
{{- end }}
{{- end }}

{{- if $v.production }}
{{- range $image := $v.workerWorkspace.enabled | ternary (list "automation" "workspace") (list "automation") }}
{{- $own := index $v.image $image }}
{{- if not $own.digest }}
image.{{ $image }} has the tag {{ $own.tag | default $.Chart.AppVersion }} and no digest, and production is true: set image.{{ $image }}.digest to sha256:…, since what a tag names can change
{{- end }}
{{- end }}
{{- if not $v.allowPlaintext }}
{{- $encrypted := dict "postgres" (or $v.api.enabled $v.dispatcher.enabled $v.relay.enabled $v.migration.enabled) "kafka" (and $usesBus (not (empty $v.kafka.brokers))) "nats" (and $usesBus (not (empty $v.nats.servers))) "temporal" $usesTemporal }}
{{- range $engine, $isUsed := $encrypted }}
{{- if and $isUsed (not (index $v $engine "tls" "enabled")) }}
{{ $engine }}.tls.enabled is false, and production is true: enable it, or accept plain text for all by allowPlaintext
{{- end }}
{{- end }}
{{- $urls := dict "objectStore.endpoint" $v.objectStore.endpoint "issuer.url" $v.issuer.url }}
{{- range $name, $receiver := dig "methodologies" (dict) $config }}{{ $_ := set $urls (printf "operator.config.methodologies.%s.endpoint" $name) $receiver.endpoint }}{{ end }}
{{- range $name, $url := $urls }}
{{- if hasPrefix "http://" $url }}
{{ $name }} {{ $url }} is not encrypted, and production is true: use https, or accept it for all by allowPlaintext
{{- end }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.tlsSecret) }}
ingress.tlsSecret is empty, and production is true: name the Secret with the certificate, or accept tokens in plain text by allowPlaintext
{{- end }}
{{- end }}
{{- end }}
{{- end }}
