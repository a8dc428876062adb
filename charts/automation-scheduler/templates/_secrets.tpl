{{/* The name of a Secret. Arguments: root, secret. */}}
{{- define "automation.secretName" -}}
{{- $own := index .root.Values.secrets .secret }}
{{- if $own.existingSecret }}{{ $own.existingSecret }}
{{- else }}{{ include "automation.fullname" .root }}-{{ kebabcase .secret }}{{ end }}
{{- end }}

{{/* Which Secrets the enabled processes read. */}}
{{- define "automation.secretsInUse" -}}
{{- $v := .Values }}
{{- $used := list }}
{{- if or $v.api.enabled $v.dispatcher.enabled $v.relay.enabled $v.migration.enabled }}{{ $used = append $used "database" }}{{ end }}
{{- if $v.migration.enabled }}{{ $used = append $used "migration" }}{{ end }}
{{- if or $v.api.enabled $v.migration.enabled }}{{ $used = append $used "objectStore" }}{{ end }}
{{- if and $v.kafka.sasl.mechanism (or $v.dispatcher.enabled $v.relay.enabled $v.migration.enabled) }}{{ $used = append $used "kafka" }}{{ end }}
{{- if and $v.nats.username (or $v.dispatcher.enabled $v.relay.enabled $v.migration.enabled) }}{{ $used = append $used "nats" }}{{ end }}
{{- if $v.api.enabled }}{{ $used = append $used "signing" }}{{ end }}
{{- if or $v.workerControl.enabled $v.workerWorkspace.enabled }}{{ $used = append $used "workerToken" }}{{ end }}
{{- if and $v.api.enabled (or $v.secrets.methodologyTokens.existingSecret $v.secrets.methodologyTokens.remoteKey) }}{{ $used = append $used "methodologyTokens" }}{{ end }}
{{- join "," $used }}
{{- end }}

{{/* "true" unless this one comes another way than by a Secret of this chart's values. Arguments: root, secret. */}}
{{- define "automation.hasSecret" -}}
{{- or (ne .root.Values.secrets.provider "none") (ne (index .root.Values.secrets .secret "existingSecret") "") }}
{{- end }}

{{/* Where the files of a Secret are. It is mounted as a folder, never by subPath, so that a changed one arrives. Arguments: root, secret. */}}
{{- define "automation.secretMount" -}}
{{- if eq (include "automation.hasSecret" .) "true" }}
- name: {{ kebabcase .secret }}
  mountPath: /etc/automation/{{ kebabcase .secret }}
  readOnly: true
{{- end }}
{{- end }}

{{/* A volume of a Secret. Arguments: root, secret, files (key: file; all keys under their names unless given). */}}
{{- define "automation.secretVolume" -}}
{{- if eq (include "automation.hasSecret" .) "true" }}
- name: {{ kebabcase .secret }}
  secret:
    secretName: {{ include "automation.secretName" . }}
    defaultMode: 0440
    optional: false
    {{- with .files }}
    items:
      {{- range $key, $file := . }}
      - key: {{ index $.root.Values.secrets $.secret "keys" $key }}
        path: {{ $file }}
      {{- end }}
    {{- end }}
{{- end }}
{{- end }}

{{/* The password of one role. Arguments: root, role. */}}
{{- define "automation.databaseVolume" -}}
{{ include "automation.secretVolume" (dict "root" .root "secret" "database" "files" (dict .role .role)) }}
{{- end }}

{{- define "automation.objectStoreVolume" -}}
{{ include "automation.secretVolume" (dict "root" . "secret" "objectStore" "files" (dict "accessKeyId" "access-key-id" "secretAccessKey" "secret-access-key")) }}
{{- end }}

{{- define "automation.workerTokenVolume" -}}
{{ include "automation.secretVolume" (dict "root" . "secret" "workerToken" "files" (dict "token" "token")) }}
{{- end }}

{{/*
What connections to engines are made safe with: authorities, certificates, and the passwords of Kafka and NATS.
Arguments: root, engines (of postgres, kafka, nats, temporal), as (mounts or volumes).
*/}}
{{- define "automation.connectionFiles" -}}
{{- $root := .root }}
{{- $as := .as }}
{{- range $engine := .engines }}
{{- $tls := index $root.Values $engine "tls" }}
{{- if and $tls.enabled $tls.caSecret }}
{{- if eq $as "mounts" }}
- name: {{ $engine }}-ca
  mountPath: /etc/automation/{{ $engine }}-ca
  readOnly: true
{{- else }}
- name: {{ $engine }}-ca
  secret:
    secretName: {{ $tls.caSecret }}
    defaultMode: 0440
    items: [{key: {{ $tls.caKey | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- if and (eq $engine "temporal") $tls.enabled $tls.certificateSecret }}
{{- if eq $as "mounts" }}
- name: temporal-certificate
  mountPath: /etc/automation/temporal-certificate
  readOnly: true
{{- else }}
- name: temporal-certificate
  secret:
    secretName: {{ $tls.certificateSecret }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- if or (and (eq $engine "kafka") $root.Values.kafka.sasl.mechanism) (and (eq $engine "nats") $root.Values.nats.username) }}
{{- if eq $as "mounts" }}
{{- include "automation.secretMount" (dict "root" $root "secret" $engine) }}
{{- else }}
{{- include "automation.secretVolume" (dict "root" $root "secret" $engine "files" (dict "password" "password")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
