"""What the Iceberg catalog says of its tables, and which run made each of their snapshots."""
