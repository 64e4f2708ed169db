{{/* What is outside of the chart, by name: host and port of each. */}}
{{- define "lakehold.outside" -}}
{{- $urls := dict -}}
{{- with .Values.settings.s3.endpoint }}{{ $_ := set $urls "objectstore" . }}{{ end -}}
{{- if eq .Values.settings.catalog.type "rest" }}{{ with .Values.settings.catalog.uri }}{{ $_ := set $urls "catalog" . }}{{ end }}{{ end -}}
{{- with .Values.airflow.git.url }}{{ $_ := set $urls "git" . }}{{ end -}}
{{- with .Values.settings.openlineage.url }}{{ $_ := set $urls "openlineage" . }}{{ end -}}
{{- with .Values.settings.openmetadata.url }}{{ $_ := set $urls "openmetadataServer" . }}{{ end -}}
{{- $found := dict -}}
{{- with .Values.postgres.outside.host -}}
{{- $_ := set $found "postgres" (dict "host" . "port" (int $.Values.postgres.outside.port)) -}}
{{- end -}}
{{- with .Values.openmetadata.database.host -}}
{{- $_ := set $found "openmetadata" (dict "host" . "port" (int $.Values.openmetadata.database.port)) -}}
{{- end -}}
{{- if include "lakehold.celery" . -}}
{{- $_ := set $found "broker" (dict "host" "" "port" (int .Values.airflow.celery.port)) -}}
{{- end -}}
{{- range $name, $url := $urls -}}
{{- $host := regexReplaceAll "^https?://([^/]*).*$" $url "${1}" -}}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" | default (ternary "80" "443" (hasPrefix "http://" $url)) -}}
{{- $_ := set $found $name (dict "host" (regexReplaceAll ":[0-9]+$" $host "") "port" (int $port)) -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* Where a component is reached, as host:port. Takes root, declared and name. */}}
{{- define "lakehold.address" -}}
{{- $outside := include "lakehold.outside" .root | fromJson -}}
{{- if hasKey $outside .name -}}
{{- $at := index $outside .name -}}
{{- printf "%s:%d" $at.host (int $at.port) -}}
{{- else -}}
{{- printf "%s-%s:%d" (include "lakehold.name" .root) .name (int (index .declared.components .name).port) -}}
{{- end -}}
{{- end }}

{{/* Keys that nobody can draw, for somebody outside gave them. */}}
{{- define "lakehold.outsideKeys" -}}
{{- $keys := list -}}
{{- if .Values.postgres.outside.host }}{{ $keys = append $keys "postgres.superuser" }}{{ end -}}
{{- if .Values.settings.s3.endpoint -}}
{{- range (include "lakehold.declared" . | fromYaml).secrets -}}
{{- if and (hasPrefix "s3." .) (ne . "s3.root") }}{{ $keys = append $keys . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if ne .Values.secrets.catalog "none" }}{{ $keys = append $keys (printf "catalog.%s" .Values.secrets.catalog) }}{{ end -}}
{{- if and .Values.airflow.git.url .Values.airflow.git.token }}{{ $keys = append $keys "git.token" }}{{ end -}}
{{- if include "lakehold.celery" . }}{{ $keys = append $keys "celery.broker" }}{{ end -}}
{{- if .Values.openmetadata.enabled }}{{ $keys = append $keys "openmetadata.database" }}{{ end -}}
{{- if .Values.settings.openmetadata.url }}{{ $keys = append $keys "openmetadata.token" }}{{ end -}}
{{- if and .Values.settings.openlineage.url .Values.secrets.openlineage }}{{ $keys = append $keys "openlineage.token" }}{{ end -}}
{{- if and $keys (not (or .Values.secrets.outside .Values.secrets.existingSecret)) -}}
{{- fail (printf "secrets.outside: name a Secret with what outside services want: %s" (join ", " $keys)) -}}
{{- end -}}
{{- $keys | toJson -}}
{{- end }}

{{/* The Secrets a pod is given keys of, as sources of a projected volume. Takes root, component and facts. */}}
{{- define "lakehold.secretSources" -}}
{{- $outside := include "lakehold.outsideKeys" .root | fromJsonArray -}}
{{- $wanted := .facts.secrets -}}
{{- range $outside -}}
{{- $users := dict
      "catalog.credential" (list "trino" "trino-worker" "airflow" "airflow-worker")
      "catalog.token" (list "trino" "trino-worker" "airflow" "airflow-worker")
      "git.token" (list "airflow" "airflow-worker")
      "celery.broker" (list "airflow" "airflow-worker")
      "openmetadata.token" (list "lineage")
      "openlineage.token" (list "lineage")
-}}
{{- $used := has $.component (index $users . | default list) -}}
{{- if $used }}{{ $wanted = append $wanted . }}{{ end -}}
{{- end -}}
{{- /* It signs a token for itself with the key the server knows. */}}
{{- if and (eq .component "lineage") (include "lakehold.ownOpenmetadata" .root) -}}
{{- $wanted = concat $wanted (include "lakehold.declared" .root | fromYaml).openmetadata.signing -}}
{{- end -}}
{{- $own := list -}}
{{- $given := list -}}
{{- range $wanted -}}
{{- if has . $outside }}{{ $given = append $given . }}{{ else }}{{ $own = append $own . }}{{ end -}}
{{- end -}}
{{- $sources := list (dict "name" (include "lakehold.secret" .root) "keys" $own) (dict "name" (.root.Values.secrets.outside | default .root.Values.secrets.existingSecret) "keys" $given) -}}
{{- range $sources }}
{{- if .keys }}
- secret:
    name: {{ .name | quote }}
    items:
      {{- range .keys }}
      - key: {{ . }}
        path: secrets/{{ . }}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
