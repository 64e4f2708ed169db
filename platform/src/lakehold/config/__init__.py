"""``lakehold.toml`` and the environment, read once into frozen settings."""
