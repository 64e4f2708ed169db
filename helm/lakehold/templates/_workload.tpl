{{/* A claim named "data". Takes storage. */}}
{{- define "lakehold.claim" -}}
- metadata:
    name: data
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.class }}
    storageClassName: {{ . | quote }}
    {{- end }}
    resources:
      requests:
        storage: {{ .storage.size | quote }}
{{- end }}

{{/* A component that is one pod with a volume. Takes root, component, process and values. */}}
{{- define "lakehold.statefulset" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "lakehold.metadata" . | nindent 2 }}
spec:
  serviceName: {{ include "lakehold.name" .root }}-{{ .component }}
  replicas: 1
  # Else a pod that cannot start is never replaced, not by a rollback either: the controller waits for it first.
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "lakehold.pods" . | nindent 6 }}
  template:
    {{- include "lakehold.pod" (merge (dict "claim" true "resources" .values.resources) .) | nindent 4 }}
  # What is in it outlives the release: removing it is a decision of its own.
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: Retain
    whenScaled: Retain
  volumeClaimTemplates:
    {{- include "lakehold.claim" (dict "storage" .values.storage) | nindent 4 }}
{{- end }}

{{/* A process without a volume. Takes root, component, process, values and, where it is not the component's, a suffix for
     the name; one is true for what must not run twice, not even for a moment; autoscale is the most pods there may be. */}}
{{- define "lakehold.deployment" -}}
{{- $replicas := .values.replicas | default 1 | int -}}
{{- $several := or (gt $replicas 1) (gt (int .autoscale) 1) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "lakehold.metadata" . | nindent 2 }}
spec:
  {{- if not .autoscale }}
  replicas: {{ $replicas }}
  {{- end }}
  strategy:
    {{- if and .one (not $several) }}
    type: Recreate
    {{- else }}
    # The new pod is ready before the old one leaves.
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
    {{- end }}
  progressDeadlineSeconds: {{ .root.Values.setup.seconds | int }}
  selector:
    matchLabels:
      {{- include "lakehold.pods" . | nindent 6 }}
  template:
    {{- include "lakehold.pod" (merge (dict "resources" .values.resources "several" $several) .) | nindent 4 }}
{{- if $several }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "lakehold.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "lakehold.pods" . | nindent 6 }}
{{- end }}
{{- end }}
