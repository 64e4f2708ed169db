{{/* The components whose pods are in this chart, and which others reach by a Service. */}}
{{- define "lakehold.components" -}}
{{- if not .Values.postgres.outside.host }}
- postgres
{{- end }}
{{- if not .Values.settings.s3.endpoint }}
- objectstore
{{- end }}
- lineage
- trino
- airflow
{{- end }}

{{/* These and their further nodes: everything that has pods and policies of its own. */}}
{{- define "lakehold.workloads" -}}
{{- include "lakehold.components" . }}
{{- if include "lakehold.workers" . }}
- trino-worker
{{- end }}
{{- if include "lakehold.celery" . }}
- airflow-worker
{{- end }}
{{- end }}

{{/* Whether lineage is published to the OpenMetadata of this chart: "true" or nothing. */}}
{{- define "lakehold.ownOpenmetadata" -}}
{{- if and .Values.openmetadata.enabled (not .Values.settings.openmetadata.url) -}}true{{- end -}}
{{- end }}

{{/* Whether tasks are run by Celery's workers: "true" or nothing. */}}
{{- define "lakehold.celery" -}}
{{- if eq .Values.airflow.executor "CeleryExecutor" -}}
{{- if gt (int .Values.spark.executors) 0 -}}
{{- fail "spark.executors: a worker of Celery's runs many tasks and may start no pods: set 0, or airflow.executor to KubernetesExecutor" -}}
{{- end -}}
true
{{- end -}}
{{- end }}

{{/* Whether Trino has workers: "true" or nothing. */}}
{{- define "lakehold.workers" -}}
{{- if gt (int .Values.trino.workers.replicas) 0 -}}true{{- end -}}
{{- end }}

{{/* What a pod is told of the platform: the settings, and where its components are. */}}
{{- define "lakehold.cluster" -}}
{{- $hosts := dict -}}
{{- range include "lakehold.components" . | fromYamlArray -}}
{{- $_ := set $hosts . (printf "%s-%s" (include "lakehold.name" $) .) -}}
{{- end -}}
{{- $ports := dict -}}
{{- with .Values.postgres.outside.host -}}
{{- $_ := set $hosts "postgres" . -}}
{{- $_ := set $ports "postgres" (int $.Values.postgres.outside.port) -}}
{{- end -}}
{{- with include "lakehold.ownOpenmetadata" . -}}
{{- $_ := set $hosts "openmetadata" (printf "%s-openmetadata" (include "lakehold.name" $)) -}}
{{- $_ := set $ports "openmetadata" (int (include "lakehold.declared" $ | fromYaml).openmetadata.port) -}}
{{- end -}}
{{- $airflow := merge (dict "url" (include "lakehold.airflowUrl" .)) .Values.settings.airflow -}}
{{- $given := printf "%s/secrets" (include "lakehold.declared" . | fromYaml).layout.given -}}
{{- $logins := dict "catalog" dict "openlineage" dict "openmetadata" dict -}}
{{- range include "lakehold.outsideKeys" . | fromJsonArray -}}
{{- $words := splitList "." . -}}
{{- if and (hasKey $logins (first $words)) (has (last $words) (list "credential" "token")) -}}
{{- $_ := set (index $logins (first $words)) (printf "%s_file" (last $words)) (printf "%s/%s" $given .) -}}
{{- end -}}
{{- end -}}
{{- $sections := dict "airflow" $airflow -}}
{{- range $name, $login := $logins -}}
{{- $said := index $.Values.settings $name -}}
{{- $_ := set $sections $name (merge $login (ternary $said (omit $said "url") (ne (dig "url" "none" $said) ""))) -}}
{{- end -}}
{{- $settings := merge $sections (omit .Values.settings "catalog" "openlineage" "openmetadata") -}}
{{- dict
      "settings" $settings
      "hosts" $hosts
      "ports" $ports
      "namespace" .Release.Namespace
      "spark" (merge (dict "account" (include "lakehold.name" .)) .Values.spark)
      "admin" .Values.postgres.outside.admin
      "sslmode" (ternary .Values.postgres.outside.sslmode "" (ne .Values.postgres.outside.host ""))
      "trinoWorkers" (ne (include "lakehold.workers" .) "")
      "git" .Values.airflow.git
      "celery" (ternary (int .Values.airflow.celery.concurrency) 0 (ne (include "lakehold.celery" .) ""))
    | toPrettyJson -}}
{{- end }}

{{/* A pod's annotations with the sums of what it is configured from: of each section of the settings that its component
     reads, and no other, so that a changed setting starts again only whom it concerns. Of executors only the pods of
     Spark's tasks are told, when they start. Takes root and facts. */}}
{{- define "lakehold.sums" -}}
{{- $cluster := include "lakehold.cluster" .root | fromJson -}}
checksum/cluster: {{ omit $cluster "settings" "spark" | toJson | sha256sum | quote }}
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
{{- $declared := include "lakehold.declared" . | fromYaml -}}
{{- $name := include "lakehold.name" . -}}
{{- $trino := printf "%s-trino" $name -}}
{{- $hosts := list $trino (printf "%s.%s" $trino .Release.Namespace) (printf "%s.%s.svc" $trino .Release.Namespace) -}}
{{- dict
      "secret" (ternary "" (include "lakehold.secret" .) (ne .Values.secrets.existingSecret ""))
      "names" (concat $declared.secrets (ternary $declared.openmetadata.secrets list .Values.openmetadata.enabled))
      "tls" (ternary "" (include "lakehold.tls" .) (ne .Values.tls.existingSecret ""))
      "hosts" $hosts
    | toPrettyJson -}}
{{- end }}

{{/* Whether there are secrets to be made: "true" or nothing. */}}
{{- define "lakehold.makesKeys" -}}
{{- if not (and .Values.secrets.existingSecret .Values.tls.existingSecret) -}}true{{- end -}}
{{- end }}
