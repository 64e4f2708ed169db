{{/* The Service of a component, on its declared port. Takes root and component. */}}
{{- define "lakehold.service" -}}
{{- $declared := include "lakehold.declared" .root | fromYaml -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "lakehold.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "lakehold.selector" . | nindent 4 }}
  ports:
    - name: main
      port: {{ (index $declared.components .component).port }}
      targetPort: main
      protocol: TCP
{{- end }}

{{/* A claim named "data". Takes storage. */}}
{{- define "lakehold.claim" -}}
- metadata:
    name: data
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.class }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .storage.size }}
{{- end }}

{{/* A component that is one pod with a volume. Takes root, component and values. */}}
{{- define "lakehold.statefulset" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "lakehold.metadata" . | nindent 2 }}
spec:
  serviceName: {{ include "lakehold.name" .root }}-{{ .component }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "lakehold.selector" . | nindent 6 }}
  template:
    {{- include "lakehold.pod" (merge (dict "process" .component "claim" true "resources" .values.resources) .) | nindent 4 }}
  # What is in it outlives the release: removing it is a decision of its own.
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: Retain
    whenScaled: Retain
  volumeClaimTemplates:
    {{- include "lakehold.claim" (dict "storage" .values.storage) | nindent 4 }}
{{- end }}
