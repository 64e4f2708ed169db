"""The publisher for OpenMetadata: upsert what is known, then write lineage by id."""
