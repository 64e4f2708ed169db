{{/* Beginning of every object's name. A Service's name begins with a letter, a release's need not. */}}
{{- define "lakehold.name" -}}
{{- $name := .Values.fullName | default .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "fullName: objects cannot be named after the release %q: set fullName to a name of small letters, digits and dashes that begins with a letter" .Release.Name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* What the declarations say; made by `python -m lakehold.cluster.chart`. */}}
{{- define "lakehold.declared" -}}
{{- .Files.Get "files/declared.yaml" -}}
{{- end }}

{{/* Labels a selector may use: they never change. Takes root and component. */}}
{{- define "lakehold.selector" -}}
app.kubernetes.io/name: lakehold
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The same for the pods of one process. Takes root, component and process. */}}
{{- define "lakehold.pods" -}}
{{ include "lakehold.selector" . }}
lakehold/process: {{ .process }}
{{- end }}

{{/* Labels of an object. Takes root and component. */}}
{{- define "lakehold.labels" -}}
{{ include "lakehold.selector" . }}
app.kubernetes.io/part-of: lakehold
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{/* Name, namespace and labels of an object. Takes root, component and, where it is not the component's, a suffix. */}}
{{- define "lakehold.metadata" -}}
name: {{ include "lakehold.name" .root }}-{{ .suffix | default .component }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "lakehold.labels" . | nindent 2 }}
{{- end }}

{{/* An image, by digest where one is given. Takes root and image. */}}
{{- define "lakehold.image" -}}
{{- $image := index .root.Values.images .image -}}
{{- $name := printf "%s/%s" .root.Values.images.registry .image -}}
{{- if $image.digest -}}
{{- $name }}@{{ $image.digest -}}
{{- else -}}
{{- $name }}:{{ $image.tag | default .root.Chart.AppVersion -}}
{{- end -}}
{{- end }}

{{/* The Secret with every password and key. */}}
{{- define "lakehold.secret" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "lakehold.name" .)) -}}
{{- end }}

{{/* The Secret with the certificate. */}}
{{- define "lakehold.tls" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "lakehold.name" .)) -}}
{{- end }}
