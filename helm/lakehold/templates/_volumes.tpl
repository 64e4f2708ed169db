{{/* What every container of a pod sees of its state directory. Takes root, component, claim and shared: whether its
     working folder is the one that Airflow's tasks and triggers share. */}}
{{- define "lakehold.mounts" -}}
{{- $layout := (include "lakehold.declared" .root | fromYaml).layout -}}
{{- range list "conf" "run" "tls" }}
- name: private
  mountPath: {{ $layout.state }}/{{ . }}
  subPath: {{ . }}
{{- end }}
{{- if .shared }}
- name: shared
  mountPath: {{ $layout.state }}/work
{{- range list "tmp" "spark" }}
- name: work
  mountPath: {{ $layout.state }}/work/{{ . }}
  subPath: {{ . }}
{{- end }}
{{- else }}
- name: work
  mountPath: {{ $layout.state }}/work
  subPath: work
{{- end }}
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

{{/* A pod's volumes, but for a claim. Takes root, shared and facts: what is declared of its secrets and of TLS. */}}
{{- define "lakehold.volumes" -}}
# Configuration, with secrets in it: in memory, and gone with the pod.
- name: private
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
- name: work
  emptyDir:
    sizeLimit: 4Gi
{{- if .shared }}
- name: shared
  persistentVolumeClaim:
    claimName: {{ include "lakehold.name" .root }}-airflow-work
{{- end }}
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
          name: {{ include "lakehold.secret" .root | quote }}
          items:
            {{- range .facts.secrets }}
            - key: {{ . }}
              path: secrets/{{ . }}
            {{- end }}
      {{- if .facts.tls }}
      - secret:
          name: {{ include "lakehold.tls" .root | quote }}
          items:
            - key: ca.crt
              path: tls/ca.crt
            {{- if eq .facts.tls "server" }}
            - key: tls.crt
              path: tls/tls.crt
            - key: tls.key
              path: tls/tls.key
            {{- end }}
      {{- end }}
{{- end }}

{{/* The token of a pod's service account. No other way gives a pod one. */}}
{{- define "lakehold.token" -}}
- name: token
  projected:
    defaultMode: 288 # 0440: the pod's group
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}
