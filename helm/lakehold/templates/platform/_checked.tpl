{{/* Refuse values that fit the schema and that Kubernetes would refuse: more reserved than there is at most. Takes the path
     and the value at it. */}}
{{- define "lakehold.checked" -}}
{{- $at := .at -}}
{{- if and (kindIs "map" .value.requests) (kindIs "map" .value.limits) -}}
{{- range $what, $most := .value.limits -}}
{{- $paths := list (printf "%s.requests.%s" $at $what) (printf "%s.limits.%s" $at $what) -}}
{{- include "lakehold.atMost" (dict "paths" $paths "asked" (index $.value.requests $what) "most" $most) -}}
{{- end -}}
{{- else if and .value.request .value.limit -}}
{{- $paths := list (printf "%s.request" $at) (printf "%s.limit" $at) -}}
{{- include "lakehold.atMost" (dict "paths" $paths "asked" .value.request "most" .value.limit) -}}
{{- else -}}
{{- range $name, $one := .value -}}
{{- if kindIs "map" $one -}}
{{- include "lakehold.checked" (dict "at" (ternary $name (printf "%s.%s" $at $name) (eq $at "")) "value" $one) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "lakehold.atMost" -}}
{{- if gt (include "lakehold.amount" .asked | float64) (include "lakehold.amount" .most | float64) -}}
{{- fail (printf "%s: %v is more than %s, which is %v" (first .paths) .asked (last .paths) .most) -}}
{{- end -}}
{{- end }}

{{/* Cores or bytes of a quantity. */}}
{{- define "lakehold.amount" -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- if kindIs "string" . -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (index $units (regexReplaceAll "^[0-9.]+" . "")) -}}
{{- else -}}
{{- . | float64 -}}
{{- end -}}
{{- end }}
