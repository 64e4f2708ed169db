"""The declarations read a second time: as a Helm chart's values, and inside the pods it starts."""
