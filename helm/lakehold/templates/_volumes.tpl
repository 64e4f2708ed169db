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
      {{- include "lakehold.secretSources" . | trim | nindent 6 }}
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
      {{- with include "lakehold.authority" (dict "of" .root.Values.postgres.outside "value" "postgres.outside" "path" "tls/postgres.crt") }}
      {{- . | nindent 6 }}
      {{- end }}
{{- end }}

{{/* The authority by which the certificate of a PostgreSQL is verified, as a source of a projected volume; nothing where
     none is. Takes of: what says so, value: where it stands, and path. */}}
{{- define "lakehold.authority" -}}
{{- $named := ne (printf "%s%s" .of.ca.secret .of.ca.configMap) "" -}}
{{- if and .of.ca.secret .of.ca.configMap -}}
{{- fail (printf "%s.ca: name a Secret or a ConfigMap, not both" .value) -}}
{{- end -}}
{{- if .of.host -}}
{{- if ne $named (hasPrefix "verify-" .of.sslmode) -}}
{{- fail (printf "%s.ca: sslmode verify-ca and verify-full ask an authority that it names, and no other does; sslmode is %s" .value .of.sslmode) -}}
{{- end -}}
{{- if $named -}}
- {{ ternary "secret" "configMap" (ne .of.ca.secret "") }}:
    name: {{ .of.ca.secret | default .of.ca.configMap | quote }}
    items:
      - key: {{ .of.ca.key | quote }}
        path: {{ .path }}
{{- end -}}
{{- end -}}
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
