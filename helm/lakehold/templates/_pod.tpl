{{/* A pod's template for one of the declared processes. Takes root, component, process and resources; claim is true where
     the component's data is on a volume claim named "data"; account names the service account of a pod that asks the
     Kubernetes API, and is empty for all others. */}}
{{- define "lakehold.pod" -}}
{{- $declared := include "lakehold.declared" .root | fromYaml -}}
{{- $component := index $declared.components .component -}}
{{- $process := index $component.processes .process -}}
{{- $call := merge (dict "declared" $declared "image" $component.image "facts" $component) . -}}
metadata:
  labels:
    {{- include "lakehold.pods" . | nindent 4 }}
    app.kubernetes.io/part-of: lakehold
  annotations:
    # A changed setting starts the pod again; a changed secret does when you say so (kubectl rollout restart).
    {{- include "lakehold.sums" (dict "root" .root "facts" $component) | nindent 4 }}
spec:
  serviceAccountName: "{{ include "lakehold.name" .root }}{{ with .account }}-{{ . }}{{ end }}"
  {{- include "lakehold.podSecurity" .root | nindent 2 }}
  terminationGracePeriodSeconds: {{ add $process.stopSeconds 10 }}
  initContainers:
    {{- if $component.waits }}
    {{- include "lakehold.reach" (merge (dict "needs" $component.needs) $call) | nindent 4 }}
    {{- end }}
    {{- include "lakehold.configure" $call | nindent 4 }}
    {{- range $component.init }}
    {{- include "lakehold.task" (merge (dict "task" . "seconds" 0) $call) | nindent 4 }}
    {{- end }}
    {{- range $component.waits }}
    {{- $job := index $component.jobs . }}
    {{- include "lakehold.task" (merge (dict "task" (printf "%s.done" .) "seconds" (int $.root.Values.setup.seconds) "image" $job.image) $call) | nindent 4 }}
    {{- end }}
  containers:
    - name: {{ .process }}
      {{- include "lakehold.container" $call | nindent 6 }}
      command: {{ append $declared.layout.launch .process | toJson }}
      {{- if $process.serves }}
      ports:
        - name: main
          containerPort: {{ $component.port | int }}
          protocol: TCP
      {{- end }}
      {{- include "lakehold.probes" (dict "root" .root "process" $process "port" $component.port) | nindent 6 }}
      {{- if $process.serves }}
      lifecycle:
        preStop:
          # It goes on serving until everybody has heard that it is leaving.
          sleep:
            seconds: 5
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        {{- include "lakehold.mounts" . | nindent 8 }}
        {{- if .account }}
        - name: token
          mountPath: /var/run/secrets/kubernetes.io/serviceaccount
          readOnly: true
        {{- end }}
        {{- if eq .process "airflow-scheduler" }}
        - name: task
          mountPath: {{ $declared.layout.given }}
          readOnly: true
        {{- end }}
  volumes:
    {{- include "lakehold.volumes" $call | nindent 4 }}
    {{- if .account }}
    {{- include "lakehold.token" . | nindent 4 }}
    {{- end }}
    {{- if eq .process "airflow-scheduler" }}
    - name: task
      configMap:
        name: {{ include "lakehold.name" .root }}-task
    {{- end }}
{{- end }}

{{/* Of every pod: who it runs as, and what it is not given. */}}
{{- define "lakehold.podSecurity" -}}
{{- $layout := (include "lakehold.declared" . | fromYaml).layout -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $layout.user | int }}
  runAsGroup: {{ $layout.user | int }}
  fsGroup: {{ $layout.user | int }}
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

{{/* Of every container. Takes root, declared and image. */}}
{{- define "lakehold.container" -}}
image: {{ include "lakehold.image" . | quote }}
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
env:
  # For what the kubelet runs beside the process: its probes.
  - name: PYTHONPATH
    value: {{ .declared.layout.source }}
  - name: PYTHONDONTWRITEBYTECODE
    value: "1"
{{- end }}

{{/* The first container: it writes configuration, environment and command of what follows. */}}
{{- define "lakehold.configure" -}}
- name: configure
  {{- include "lakehold.container" (merge (dict "image" "platform") .) | nindent 2 }}
  command: {{ concat .declared.layout.configure (.configured | default (list .component)) | toJson }}
  resources:
    {{- toYaml .root.Values.setup.resources | nindent 4 }}
  volumeMounts:
    - name: given
      mountPath: {{ .declared.layout.given }}
      readOnly: true
    {{- include "lakehold.mounts" . | nindent 4 }}
{{- end }}

{{/* The container before it, where others have to be up: waiting costs nothing then. Takes needs, and root and declared. */}}
{{- define "lakehold.reach" -}}
{{- $addresses := list -}}
{{- range .needs -}}
{{- $addresses = append $addresses (printf "%s-%s:%d" (include "lakehold.name" $.root) . (int (index $.declared.components .).port)) -}}
{{- end -}}
- name: reach
  {{- include "lakehold.container" (merge (dict "image" "platform") .) | nindent 2 }}
  command: {{ concat .declared.layout.launch (list "--reach" (toString (int .root.Values.setup.seconds))) $addresses | toJson }}
  resources:
    {{- toYaml .root.Values.setup.resources | nindent 4 }}
{{- end }}

{{/* A container that runs a task to its end. Takes task, image and the seconds for which it tries again. */}}
{{- define "lakehold.task" -}}
- name: {{ .task | replace "." "-" }}
  {{- include "lakehold.container" . | nindent 2 }}
  command: {{ concat .declared.layout.launch (list "--task" (toString .seconds) .task) | toJson }}
  resources:
    {{- toYaml .root.Values.setup.resources | nindent 4 }}
  volumeMounts:
    {{- include "lakehold.mounts" . | nindent 4 }}
{{- end }}
