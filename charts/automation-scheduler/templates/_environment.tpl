{{- define "automation.environment.common" -}}
- name: AUTOMATION_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- with .Values.telemetry.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ $.Values.telemetry.otlpProtocol }}
- name: OTEL_METRICS_EXPORTER
  value: {{ $.Values.telemetry.metricsExporter }}
{{- end }}
{{- end }}

{{/* Of each bus that has addresses. */}}
{{- define "automation.environment.buses" -}}
{{- if .Values.kafka.brokers }}
- name: AUTOMATION_KAFKA_BROKERS
  value: {{ join "," .Values.kafka.brokers | quote }}
- name: AUTOMATION_KAFKA_CLUSTER
  value: {{ .Values.kafka.cluster | quote }}
{{- if .Values.kafka.tls.enabled }}
- name: AUTOMATION_KAFKA_TLS
  value: "on"
{{- if .Values.kafka.tls.caSecret }}
- name: AUTOMATION_KAFKA_CA_FILE
  value: /etc/automation/kafka-ca/ca.crt
{{- end }}
{{- end }}
{{- if .Values.kafka.sasl.mechanism }}
- name: AUTOMATION_KAFKA_SASL_MECHANISM
  value: {{ .Values.kafka.sasl.mechanism }}
- name: AUTOMATION_KAFKA_USERNAME
  value: {{ .Values.kafka.sasl.username | quote }}
- name: AUTOMATION_KAFKA_PASSWORD_FILE
  value: /etc/automation/kafka/password
{{- end }}
{{- end }}
{{- if .Values.nats.servers }}
- name: AUTOMATION_NATS_SERVERS
  value: {{ join "," .Values.nats.servers | quote }}
- name: AUTOMATION_NATS_CLUSTER
  value: {{ .Values.nats.cluster | quote }}
{{- if .Values.nats.tls.enabled }}
- name: AUTOMATION_NATS_TLS
  value: "on"
{{- if .Values.nats.tls.caSecret }}
- name: AUTOMATION_NATS_CA_FILE
  value: /etc/automation/nats-ca/ca.crt
{{- end }}
{{- end }}
{{- if .Values.nats.username }}
- name: AUTOMATION_NATS_USERNAME
  value: {{ .Values.nats.username | quote }}
- name: AUTOMATION_NATS_PASSWORD_FILE
  value: /etc/automation/nats/password
{{- end }}
{{- end }}
{{- end }}

{{- define "automation.environment.temporal" -}}
{{- $tls := .Values.temporal.tls }}
- name: AUTOMATION_TEMPORAL_ADDRESS
  value: {{ .Values.temporal.address | quote }}
- name: AUTOMATION_TEMPORAL_NAMESPACE
  value: {{ .Values.temporal.namespace | quote }}
{{- if $tls.enabled }}
- name: AUTOMATION_TEMPORAL_TLS
  value: "on"
{{- if $tls.caSecret }}
- name: AUTOMATION_TEMPORAL_CA_FILE
  value: /etc/automation/temporal-ca/ca.crt
{{- end }}
{{- if $tls.certificateSecret }}
- name: AUTOMATION_TEMPORAL_CERTIFICATE_DIR
  value: /etc/automation/temporal-certificate
{{- end }}
{{- end }}
{{- end }}

{{/* Arguments: root, user. */}}
{{- define "automation.postgresUrl" -}}
{{- $own := .root.Values.postgres }}
{{- printf "postgres://%s@%s:%v/%s" (urlquery .user) $own.host $own.port $own.database }}
{{- if $own.tls.enabled }}?sslmode=verify-full{{ if $own.tls.caSecret }}&sslrootcert=/etc/automation/postgres-ca/ca.crt{{ end }}{{ end }}
{{- end }}

{{/* Arguments: root, role. */}}
{{- define "automation.environment.postgres" -}}
- name: AUTOMATION_POSTGRES_URL
  value: {{ include "automation.postgresUrl" (dict "root" .root "user" (printf "automation_%s" .role)) | quote }}
- name: AUTOMATION_POSTGRES_PASSWORD_FILE
  value: /etc/automation/database/{{ .role }}
{{- end }}

{{- define "automation.environment.objectStore" -}}
- name: AUTOMATION_S3_ENDPOINT
  value: {{ .Values.objectStore.endpoint | quote }}
- name: AUTOMATION_S3_REGION
  value: {{ .Values.objectStore.region | quote }}
- name: AUTOMATION_S3_BUCKET
  value: {{ .Values.objectStore.bucket | quote }}
- name: AUTOMATION_S3_CREDENTIALS_DIR
  value: /etc/automation/object-store
{{- end }}

{{- define "automation.environment.worker" -}}
{{ include "automation.environment.temporal" . }}
- name: AUTOMATION_API_URL
  value: {{ include "automation.apiUrl" . | quote }}
- name: AUTOMATION_TOKEN_FILE
  value: /etc/automation/worker-token/token
{{- end }}
