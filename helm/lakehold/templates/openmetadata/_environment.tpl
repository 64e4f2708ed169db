{{/* The environment that its conf/openmetadata.yaml reads. Takes root and declared. */}}
{{- define "lakehold.openmetadataEnv" -}}
{{- $values := .root.Values.openmetadata -}}
{{- $name := include "lakehold.name" .root -}}
{{- $database := splitList ":" (include "lakehold.address" (dict "root" .root "declared" .declared "name" (ternary "openmetadata" "postgres" (ne $values.database.host "")))) -}}
{{- $keys := printf "%s/keys" .declared.layout.state -}}
{{- $server := ternary $values.database .root.Values.postgres.outside (ne $values.database.host "") -}}
{{- $tls := printf "sslmode=%s" (ternary $server.sslmode "prefer" (ne $server.host "")) -}}
{{- if include "lakehold.openmetadataAuthority" .root -}}
{{- $tls = printf "%s&sslrootcert=%s/database/ca.crt" $tls .declared.layout.given -}}
{{- end -}}
{{- $plain := dict
      "DB_DRIVER_CLASS" "org.postgresql.Driver"
      "DB_SCHEME" "postgresql"
      "DB_HOST" (index $database 0)
      "DB_PORT" (index $database 1)
      "DB_USER" $values.database.user
      "OM_DATABASE" $values.database.name
      "DB_PARAMS" $tls
      "SEARCH_TYPE" "opensearch"
      "ELASTICSEARCH_HOST" (printf "%s-opensearch" $name)
      "ELASTICSEARCH_PORT" "9200"
      "ELASTICSEARCH_SCHEME" "http"
      "AUTHENTICATION_PROVIDER" "basic"
      "AUTHENTICATION_ENABLE_SELF_SIGNUP" "false"
      "AUTHORIZER_PRINCIPAL_DOMAIN" $values.domain
      "AUTHORIZER_ADMIN_PRINCIPALS" "[admin]"
      "RSA_PUBLIC_KEY_FILE_PATH" (printf "%s/%s" $keys .declared.openmetadata.public)
      "RSA_PRIVATE_KEY_FILE_PATH" (printf "%s/%s" $keys .declared.openmetadata.private)
      "JWT_ISSUER" .declared.openmetadata.issuer
      "PIPELINE_SERVICE_CLIENT_ENABLED" "false"
      "OPENMETADATA_HEAP_OPTS" (printf "-Xmx%s -Xms%s" $values.heap $values.heap)
-}}
{{- range $key, $value := $plain }}
- name: {{ $key }}
  value: {{ $value | quote }}
{{- end }}
{{- $outside := include "lakehold.outsideKeys" .root | fromJsonArray }}
{{- range $key, $secret := dict "JWT_KEY_ID" "openmetadata.key-id" "FERNET_KEY" "openmetadata.fernet" "DB_USER_PASSWORD" "openmetadata.database" }}
- name: {{ $key }}
  valueFrom:
    secretKeyRef:
      {{- if has $secret $outside }}
      name: {{ $.root.Values.secrets.outside | default $.root.Values.secrets.existingSecret | quote }}
      {{- else }}
      name: {{ include "lakehold.secret" $.root | quote }}
      {{- end }}
      key: {{ $secret }}
{{- end }}
{{- end }}

{{/* The authority of its database's certificate, where that is verified. */}}
{{- define "lakehold.openmetadataAuthority" -}}
{{- if .Values.openmetadata.database.host -}}
{{- include "lakehold.authority" (dict "of" .Values.openmetadata.database "value" "openmetadata.database" "path" "ca.crt") -}}
{{- else -}}
{{- include "lakehold.authority" (dict "of" .Values.postgres.outside "value" "postgres.outside" "path" "ca.crt") -}}
{{- end -}}
{{- end }}
