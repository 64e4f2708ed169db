"""A rendered chart that has one of each thing a cluster is asked for."""

from __future__ import annotations

MANIFEST = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: lakehold-keys}
rules:
  - {apiGroups: [""], resources: [secrets], verbs: [create]}
  - {apiGroups: [""], resources: [secrets], resourceNames: [lakehold-secrets], verbs: [get, patch]}
  - {apiGroups: [""], resources: [pods/log], verbs: [get]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: lakehold-default}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: lakehold-lineage}
spec:
  replicas: 2
  template:
    spec:
      initContainers:
        - {name: configure, resources: {requests: {cpu: 500m, memory: 128Mi}}}
      containers:
        - {name: lineage, resources: {requests: {cpu: 50m, memory: 256Mi}}}
      imagePullSecrets: [{name: registry}]
      volumes:
        - name: given
          projected:
            sources:
              - secret: {name: lakehold-secrets, items: [{key: lineage.token, path: a}]}
              - secret: {name: mine, items: [{key: ca.crt, path: b}, {key: tls.crt, path: c}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: lakehold-task}
data:
  task.yaml: |
    kind: Pod
    metadata: {name: task}
    spec:
      containers: [{name: base, resources: {requests: {cpu: 250m, memory: 1Gi}}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: work}
spec: {storageClassName: fast}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: lakehold-postgres}
spec:
  replicas: 1
  volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]
  template: {spec: {containers: [{name: postgres, resources: {requests: {cpu: 100m, memory: 300Mi}}}]}}
"""
