{{ config(materialized='table', on_table_exists='replace') }} SELECT * FROM (VALUES (1, '{{ var('run') }}')) AS rows (n, run)
