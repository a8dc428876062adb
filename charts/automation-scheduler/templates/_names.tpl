{{- define "automation.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- end }}

{{- define "automation.workspaceNamespace" -}}
{{ .Values.workerWorkspace.namespace.name | default (printf "%s-workspace" .Release.Namespace) }}
{{- end }}

{{/* Every enabled process: its values below the same key, the name that objects, labels and arguments have, and its namespace. */}}
{{- define "automation.processes" -}}
{{- $names := dict "api" "api" "dispatcher" "dispatcher" "relay" "relay" "workerControl" "worker-control" "workerWorkspace" "worker-workspace" }}
{{- range $key, $name := $names }}
{{- if (index $.Values $key).enabled }}
{{ $key }}:
  name: {{ $name }}
  namespace: {{ eq $key "workerWorkspace" | ternary (include "automation.workspaceNamespace" $) $.Release.Namespace }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels of one process, or of the release. Arguments: root, name (optional). */}}
{{- define "automation.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "automation.labels" -}}
{{ include "automation.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object. Arguments: root, name (of the process; optional), suffix (optional), namespace, annotations, labels (optional). */}}
{{- define "automation.metadata" -}}
name: {{ include "automation.fullname" .root }}{{ with .suffix | default .name }}-{{ . }}{{ end }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "automation.labels" (dict "root" .root "name" .name) | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Arguments: root, image (automation or workspace). */}}
{{- define "automation.image" -}}
{{- $own := index .root.Values.image .image }}
{{- $registry := .root.Values.global.imageRegistry | default .root.Values.image.registry }}
{{- with $registry }}{{ . }}/{{ end }}{{ $own.repository }}
{{- if $own.digest }}@{{ $own.digest }}{{ else }}:{{ $own.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "automation.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "automation.fullname" .) }}
{{- end }}

{{- define "automation.operatorConfigMap" -}}
{{ .Values.operator.existingConfigMap | default (printf "%s-operator" (include "automation.fullname" .)) }}
{{- end }}

{{- define "automation.apiUrl" -}}
{{ .Values.api.externalUrl | default (printf "http://%s-api.%s.svc:%v" (include "automation.fullname" .) .Release.Namespace .Values.api.port) }}
{{- end }}

{{/* The port of a URL or HOST:PORT. */}}
{{- define "automation.portOf" -}}
{{- $port := regexFind ":[0-9]+(/|$)" . | trimPrefix ":" | trimSuffix "/" }}
{{- $port | default (hasPrefix "http://" . | ternary "80" "443") }}
{{- end }}
