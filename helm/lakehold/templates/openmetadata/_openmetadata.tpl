{{/* OpenMetadata and OpenSearch come as their makers' images: user, folders and scripts are theirs. */}}
{{- define "lakehold.official" -}}
{{- if not .image -}}
{{- fail (printf "%s.image: name the official image as your registry has it" .value) -}}
{{- end -}}
image: {{ .image | quote }}
imagePullPolicy: IfNotPresent
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* Of their pods: the user that their images were made for. */}}
{{- define "lakehold.officialPod" -}}
serviceAccountName: {{ include "lakehold.name" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A pod of OpenMetadata's: keys first, then what it is for. Takes root, declared, component and the containers as text. */}}
{{- define "lakehold.openmetadataPod" -}}
{{- $layout := .declared.layout -}}
{{- $values := .root.Values.openmetadata -}}
{{- $call := merge (dict "image" "platform") . -}}
{{- $official := dict "image" $values.image "value" "openmetadata" -}}
metadata:
  labels:
    {{- include "lakehold.pods" (dict "root" .root "component" .component "process" .component) | nindent 4 }}
    app.kubernetes.io/part-of: lakehold
spec:
  {{- if .once }}
  restartPolicy: OnFailure
  {{- end }}
  {{- include "lakehold.officialPod" .root | nindent 2 }}
  initContainers:
    # Keys that everybody knows are refused: here by their values, and below as the image's own.
    - name: keys
      {{- include "lakehold.container" $call | nindent 6 }}
      command: {{ concat .declared.openmetadata.keys (list (printf "%s/secrets" $layout.given) (printf "%s/keys" $layout.state)) | toJson }}
      resources:
        {{- toYaml .root.Values.setup.resources | nindent 8 }}
      volumeMounts:
        - name: given
          mountPath: {{ $layout.given }}
          readOnly: true
        - name: keys
          mountPath: {{ $layout.state }}/keys
    - name: not-the-images-own
      {{- include "lakehold.official" $official | nindent 6 }}
      workingDir: /opt/openmetadata
      command:
        - /bin/sh
        - -euc
        - '[ "$(sha256sum < conf/private_key.der)" != "$(sha256sum < {{ $layout.state }}/keys/{{ .declared.openmetadata.private }})" ]'
      resources:
        {{- toYaml .root.Values.setup.resources | nindent 8 }}
      volumeMounts:
        {{- include "lakehold.openmetadataMounts" . | nindent 8 }}
    {{- if not .once }}
    # The Job migrates; this only asks, and goes on once it has.
    - name: migrated
      {{- include "lakehold.official" $official | nindent 6 }}
      workingDir: /opt/openmetadata
      command: [/bin/sh, -euc, "until ./bootstrap/openmetadata-ops.sh validate; do sleep 5; done"]
      env:
        {{- include "lakehold.openmetadataEnv" . | trim | nindent 8 }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        {{- include "lakehold.openmetadataMounts" . | nindent 8 }}
    {{- end }}
  containers:
    - name: openmetadata
      {{- include "lakehold.official" $official | nindent 6 }}
      workingDir: /opt/openmetadata
      env:
        {{- include "lakehold.openmetadataEnv" . | trim | nindent 8 }}
      {{- .main | nindent 6 }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        {{- include "lakehold.openmetadataMounts" . | nindent 8 }}
  volumes:
    - name: keys
      emptyDir:
        medium: Memory
        sizeLimit: 1Mi
    - name: work
      emptyDir:
        sizeLimit: 2Gi
    {{- with include "lakehold.openmetadataAuthority" .root }}
    - name: database
      projected:
        sources:
          {{- . | nindent 10 }}
    {{- end }}
    - name: given
      projected:
        defaultMode: 288 # 0440: the pod's group
        sources:
          - secret:
              name: {{ include "lakehold.secret" .root | quote }}
              items:
                {{- range .declared.openmetadata.secrets }}
                - key: {{ . }}
                  path: secrets/{{ . }}
                {{- end }}
{{- end }}

{{/* What it writes, and the keys it reads. */}}
{{- define "lakehold.openmetadataMounts" -}}
- name: keys
  mountPath: {{ .declared.layout.state }}/keys
  readOnly: true
- name: work
  mountPath: /opt/openmetadata/logs
  subPath: logs
- name: work
  mountPath: /tmp
  subPath: tmp
{{- if include "lakehold.openmetadataAuthority" .root }}
- name: database
  mountPath: {{ .declared.layout.given }}/database
  readOnly: true
{{- end }}
{{- end }}
