{{/* The Service of a component, on its declared port. Takes root, component and the process that serves. */}}
{{- define "lakehold.service" -}}
{{- $declared := include "lakehold.declared" .root | fromYaml -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "lakehold.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "lakehold.pods" . | nindent 4 }}
  ports:
    - name: main
      port: {{ (index $declared.components .component).port | int }}
      targetPort: main
      protocol: TCP
{{- end }}
