{{/* What every container of a pod sees of its state directory. Takes root, component and claim. */}}
{{- define "lakehold.mounts" -}}
{{- $layout := (include "lakehold.declared" .root | fromYaml).layout -}}
{{- range list "conf" "run" "tls" }}
- name: private
  mountPath: {{ $layout.state }}/{{ . }}
  subPath: {{ . }}
{{- end }}
- name: work
  mountPath: {{ $layout.state }}/work
  subPath: work
- name: work
  mountPath: /tmp
  subPath: tmp
{{- if .claim }}
- name: data
  mountPath: {{ $layout.state }}/data/{{ .component }}
{{- else }}
- name: work
  mountPath: {{ $layout.state }}/data
  subPath: data
{{- end }}
{{- end }}

{{/* A pod's volumes, but for a claim. Takes root, declared and component. */}}
{{- define "lakehold.volumes" -}}
{{- $component := index .declared.components .component -}}
# Configuration, with secrets in it: in memory, and gone with the pod.
- name: private
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
- name: work
  emptyDir:
    sizeLimit: 4Gi
- name: given
  projected:
    defaultMode: 288 # 0440: the pod's group
    sources:
      - configMap:
          name: {{ include "lakehold.name" .root }}-cluster
          items:
            - key: cluster.json
              path: cluster.json
      - secret:
          name: {{ include "lakehold.secret" .root }}
          items:
            {{- range $component.secrets }}
            - key: {{ . }}
              path: secrets/{{ . }}
            {{- end }}
      {{- if $component.tls }}
      - secret:
          name: {{ include "lakehold.tls" .root }}
          items:
            - key: ca.crt
              path: tls/ca.crt
            {{- if eq $component.tls "server" }}
            - key: tls.crt
              path: tls/tls.crt
            - key: tls.key
              path: tls/tls.key
            {{- end }}
      {{- end }}
{{- end }}
