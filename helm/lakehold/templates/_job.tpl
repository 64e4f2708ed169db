{{/* Every shared task of a component, each a Job. Takes root and component.

     No hooks: whatever needs a Job's work waits for it, so an installation needs no order, and neither `--wait`,
     `--atomic` nor a GitOps controller can come to a standstill. A Job cannot be changed, so its name has the sum of
     what it runs: an upgrade or rollback that runs something else runs it, any other leaves it alone. */}}
{{- define "lakehold.jobs" -}}
{{- $declared := include "lakehold.declared" .root | fromYaml -}}
{{- $call := merge (dict "declared" $declared "claim" false) . -}}
{{- range $task, $job := (index $declared.components .component).jobs }}
{{- $pod := include "lakehold.jobPod" (merge (dict "task" $task "image" $job.image "facts" (index $declared.components $.component) "needs" $job.needs "seconds" (int $.root.Values.setup.seconds)) $call) }}
---
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "lakehold.metadata" (dict "root" $.root "component" (printf "%s-setup" $.component) "suffix" (printf "%s-%s" $task ($pod | sha256sum | trunc 8))) | nindent 2 }}
spec:
  # It tries again by itself while what it needs is starting; this is for a node that is lost.
  backoffLimit: 3
  activeDeadlineSeconds: {{ mul $.root.Values.setup.seconds 2 }}
  template:
    {{- $pod | nindent 4 }}
{{- end }}
{{- end }}

{{/* The pod of a shared task. Takes root, declared, component, facts, needs, task, image and seconds. */}}
{{- define "lakehold.jobPod" -}}
metadata:
  labels:
    {{- include "lakehold.selector" (dict "root" .root "component" (printf "%s-setup" .component)) | nindent 4 }}
    app.kubernetes.io/part-of: lakehold
  annotations:
    {{- include "lakehold.sums" . | nindent 4 }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "lakehold.name" .root | quote }}
  {{- include "lakehold.podSecurity" .root | nindent 2 }}
  initContainers:
    {{- include "lakehold.reach" . | nindent 4 }}
    {{- include "lakehold.configure" . | nindent 4 }}
  containers:
    {{- include "lakehold.task" . | nindent 4 }}
  volumes:
    {{- include "lakehold.volumes" . | nindent 4 }}
{{- end }}
