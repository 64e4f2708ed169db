{{/* The components whose pods are in this chart. */}}
{{- define "lakehold.components" -}}
- postgres
- objectstore
- lineage
- trino
- airflow
{{- end }}

{{/* What a pod is told of the platform: the settings, and where its components are. */}}
{{- define "lakehold.cluster" -}}
{{- $hosts := dict -}}
{{- range include "lakehold.components" . | fromYamlArray -}}
{{- $_ := set $hosts . (printf "%s-%s" (include "lakehold.name" $) .) -}}
{{- end -}}
{{- $airflow := merge (dict "url" (include "lakehold.airflowUrl" .)) .Values.settings.airflow -}}
{{- $settings := merge (dict "airflow" $airflow) .Values.settings -}}
{{- dict "settings" $settings "hosts" $hosts "namespace" .Release.Namespace | toPrettyJson -}}
{{- end }}

{{/* A pod's annotations with the sums of what it is configured from: of each section of the settings that its component
     reads, and no other, so that a changed setting starts again only whom it concerns. Takes root and facts. */}}
{{- define "lakehold.sums" -}}
{{- $cluster := include "lakehold.cluster" .root | fromJson -}}
checksum/cluster: {{ omit $cluster "settings" | toJson | sha256sum | quote }}
{{- range .facts.settings }}
checksum/settings.{{ . }}: {{ index $cluster.settings . | toJson | sha256sum | quote }}
{{- end }}
{{- end }}

{{/* Where people open Airflow. */}}
{{- define "lakehold.airflowUrl" -}}
{{- $host := .Values.ingress.hosts.airflow -}}
{{- $port := (include "lakehold.declared" . | fromYaml).components.airflow.port | int -}}
{{- .Values.settings.airflow.url | default (ternary (printf "https://%s" $host) (printf "http://localhost:%d" $port) (ne $host "")) -}}
{{- end }}

{{/* What the Job that makes secrets is told: a name that is empty is none of its business. */}}
{{- define "lakehold.keys" -}}
{{- $name := include "lakehold.name" . -}}
{{- $trino := printf "%s-trino" $name -}}
{{- $hosts := list $trino (printf "%s.%s" $trino .Release.Namespace) (printf "%s.%s.svc" $trino .Release.Namespace) -}}
{{- dict
      "secret" (ternary "" (include "lakehold.secret" .) (ne .Values.secrets.existingSecret ""))
      "names" (include "lakehold.declared" . | fromYaml).secrets
      "tls" (ternary "" (include "lakehold.tls" .) (ne .Values.tls.existingSecret ""))
      "hosts" $hosts
    | toPrettyJson -}}
{{- end }}

{{/* Whether there are secrets to be made: "true" or nothing. */}}
{{- define "lakehold.makesKeys" -}}
{{- if not (and .Values.secrets.existingSecret .Values.tls.existingSecret) -}}true{{- end -}}
{{- end }}
