{{/* What a driver has to know of its own pod. Its launcher hands on no variable of another beginning. */}}
{{- define "lakehold.driverEnv" -}}
- name: KUBERNETES_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: KUBERNETES_POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: KUBERNETES_EXECUTOR_IMAGE
  value: {{ include "lakehold.image" . | quote }}
{{- end }}

{{/* The pod of an executor: Spark adds its name, its owner, and to the container what it is to do and may use. It has no
     secret and no token: its driver tells it what it has to know. Takes root and declared. */}}
{{- define "lakehold.executorPod" -}}
{{- $spark := .declared.spark -}}
apiVersion: v1
kind: Pod
metadata:
  name: executor
  labels:
    {{- include "lakehold.selector" (dict "root" .root "component" "spark-executor") | nindent 4 }}
    app.kubernetes.io/part-of: lakehold
spec:
  serviceAccountName: {{ include "lakehold.name" .root | quote }}
  {{- include "lakehold.podSecurity" .root | nindent 2 }}
  terminationGracePeriodSeconds: 30
  containers:
    - name: {{ $spark.container }}
      {{- include "lakehold.container" (merge (dict "image" $spark.image) .) | nindent 6 }}
        - name: JAVA_HOME
          value: {{ $spark.java }}
        - name: PYSPARK_PYTHON
          value: {{ index $spark.command 0 }}
      command: {{ $spark.command | toJson }}
      # Spark makes memory of its heap and overhead.
      resources:
        requests:
          cpu: {{ .root.Values.spark.executor.cpu.request | quote }}
          memory: 1Gi
        limits:
          cpu: {{ .root.Values.spark.executor.cpu.limit | quote }}
          memory: 1Gi
      volumeMounts:
        # Spark takes the volume of this name for its blocks of data.
        - name: spark-local-dir-1
          mountPath: {{ .declared.layout.state }}/work/spark
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: spark-local-dir-1
      emptyDir:
        sizeLimit: 4Gi
    - name: tmp
      emptyDir:
        sizeLimit: 1Gi
{{- end }}
