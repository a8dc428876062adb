{{/* Whether objects of an API that is no part of Kubernetes are rendered. Arguments: root, api (group/version). */}}
{{- define "automation.renders" -}}
{{- $mode := .root.Values.renderMode }}
{{- if or (eq $mode "alwaysRender") (.root.Capabilities.APIVersions.Has .api) }}true
{{- else if eq $mode "failIfMissing" }}
{{- fail (printf "renderMode failIfMissing: the cluster has no %s; install what brings it, or set renderMode to skipIfMissing" .api) }}
{{- else }}false{{ end }}
{{- end }}
