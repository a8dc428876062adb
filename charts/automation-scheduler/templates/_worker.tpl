{{- define "automation.worker.tokenMount" -}}
{{- if eq (include "automation.hasSecret" (dict "root" . "secret" "workerToken")) "true" }}
- name: worker-token
  mountPath: /etc/automation/worker-token
  readOnly: true
{{- end }}
{{- end }}

{{- define "automation.worker.tokenVolume" -}}
{{- if eq (include "automation.hasSecret" (dict "root" . "secret" "workerToken")) "true" }}
{{ include "automation.secretVolume" (dict "root" . "secret" "workerToken" "files" (dict "token" "token")) }}
{{- end }}
{{- end }}
