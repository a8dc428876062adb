{{/*
The Deployment of a process.
Arguments: root, key (of its values), args, environment (text), mounts and volumes (texts), hasOperatorFile,
image (automation unless given), containerSecurity and podSecurity (in place of the ordinary ones), pod (more fields of the pod, text), strategy, lifecycle and ports (texts), readiness (text).
*/}}
{{- define "automation.deployment" -}}
{{- $root := .root }}
{{- $own := index $root.Values .key }}
{{- $process := index (include "automation.processes" $root | fromYaml) .key }}
{{- $hpa := $own.hpa | default dict }}
{{- $keda := $own.keda | default dict }}
{{- $isWorkspace := eq .key "workerWorkspace" }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "automation.metadata" (dict "root" $root "name" $process.name "namespace" $process.namespace) | nindent 2 }}
spec:
  {{- if not (or $hpa.enabled $keda.enabled) }}
  replicas: {{ $own.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate:
      {{- if $isWorkspace }}
      maxUnavailable: 1
      maxSurge: 0
      {{- else }}
      maxUnavailable: 0
      maxSurge: 1
      {{- end }}
  selector:
    matchLabels:
      {{- include "automation.selector" (dict "root" $root "name" $process.name) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "automation.labels" (dict "root" $root "name" $process.name) | nindent 8 }}
        {{- with $own.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $annotations := mergeOverwrite (dict) $root.Values.commonAnnotations ($own.podAnnotations | default dict) }}
      {{- if and .hasOperatorFile (not $root.Values.operator.existingConfigMap) }}
      {{- $_ := set $annotations "checksum/operator-file" (toYaml $root.Values.operator.config | sha256sum) }}
      {{- end }}
      {{- with $annotations }}
      annotations:
        {{- tpl (toYaml .) $root | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "automation.serviceAccount" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with .pod }}
      {{- . | nindent 6 }}
      {{- end }}
      securityContext:
        {{- toYaml (.podSecurity | default $root.Values.podSecurityContext) | nindent 8 }}
      terminationGracePeriodSeconds: {{ $own.terminationGracePeriodSeconds }}
      {{- range $field := list "priorityClassName" "runtimeClassName" }}
      {{- with index $own $field }}
      {{ $field }}: {{ . }}
      {{- end }}
      {{- end }}
      {{- range $field := list "nodeSelector" "tolerations" "affinity" }}
      {{- with index $own $field }}
      {{ $field }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- if or $root.Values.topologySpread.zone $root.Values.topologySpread.host }}
      topologySpreadConstraints:
        {{- range $topologyKey, $rule := dict "topology.kubernetes.io/zone" $root.Values.topologySpread.zone "kubernetes.io/hostname" $root.Values.topologySpread.host }}
        {{- if $rule }}
        - maxSkew: 1
          topologyKey: {{ $topologyKey }}
          whenUnsatisfiable: {{ $rule }}
          labelSelector:
            matchLabels:
              {{- include "automation.selector" (dict "root" $root "name" $process.name) | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ $process.name }}
          image: {{ include "automation.image" (dict "root" $root "image" (.image | default "automation")) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          env:
            {{- include "automation.environment.common" $root | nindent 12 }}
            - name: AUTOMATION_HEALTH_ADDRESS
              value: 0.0.0.0:{{ $own.healthPort }}
            {{- .environment | nindent 12 }}
            {{- with $own.extraEnv }}
            {{- tpl (toYaml .) $root | nindent 12 }}
            {{- end }}
          {{- with $own.extraEnvFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - name: health
              containerPort: {{ $own.healthPort }}
            {{- with .ports }}
            {{- . | nindent 12 }}
            {{- end }}
          startupProbe:
            httpGet: {path: /healthz, port: health}
            {{- toYaml $root.Values.probes.startup | nindent 12 }}
          livenessProbe:
            httpGet: {path: /healthz, port: health}
            {{- toYaml $root.Values.probes.liveness | nindent 12 }}
          readinessProbe:
            {{- .readiness | default "httpGet: {path: /readyz, port: health}" | nindent 12 }}
            {{- toYaml $root.Values.probes.readiness | nindent 12 }}
          {{- with .lifecycle }}
          lifecycle:
            {{- . | nindent 12 }}
          {{- end }}
          resources:
            {{- toYaml $own.resources | nindent 12 }}
          securityContext:
            {{- .containerSecurity | default (include "automation.containerSecurity" $root) | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $own.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: {{ $root.Values.tmpSizeLimit }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $own.extraVolumes }}
        {{- tpl (toYaml .) $root | nindent 8 }}
        {{- end }}
{{- end }}

{{- define "automation.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "automation.operatorVolume" -}}
- name: operator
  configMap:
    name: {{ include "automation.operatorConfigMap" . }}
    optional: false
{{- end }}

{{- define "automation.operatorMount" -}}
- name: operator
  mountPath: /etc/automation/operator
  readOnly: true
{{- end }}
