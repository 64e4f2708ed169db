{{/* Probes from a declared health check. Takes root, process and port. A process that is slow to answer is taken out of its
     Service at once, and started again only when its port has been dead for a minute and a half, or its heart for three. */}}
{{- define "lakehold.probes" -}}
{{- $host := printf "%s-" (include "lakehold.name" .root) -}}
startupProbe:
  {{- toYaml .process.probe | replace "host-of-" $host | nindent 2 }}
  periodSeconds: 3
  timeoutSeconds: 10
  # Twice the declared time, and five minutes at least: where a node has no free CPU a process that is slow to start is
  # not helped by starting it again.
  failureThreshold: {{ max 100 (div (mul .process.startSeconds 2) 3) }}
readinessProbe:
  {{- toYaml .process.probe | replace "host-of-" $host | nindent 2 }}
  # Nobody is sent to a process that serves nothing, and its probe is a program.
  periodSeconds: {{ ternary 5 15 .process.serves }}
  timeoutSeconds: 10
  failureThreshold: 2
livenessProbe:
  {{- if .process.serves }}
  tcpSocket:
    port: {{ .port | int }}
  {{- else }}
  {{- toYaml .process.alive | replace "host-of-" $host | nindent 2 }}
  {{- end }}
  # A program that has to start on a busy node may take long, and a kubelet counts that as an end.
  periodSeconds: {{ ternary 15 30 .process.serves }}
  timeoutSeconds: {{ ternary 10 30 .process.serves }}
  failureThreshold: 6
{{- end }}
