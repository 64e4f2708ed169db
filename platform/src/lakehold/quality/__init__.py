"""Quality gates: expectation suites as data, run by Great Expectations against Trino."""
