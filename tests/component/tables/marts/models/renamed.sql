{{ config(materialized='table', on_table_exists='rename') }} SELECT * FROM (VALUES (1, '{{ var('run') }}')) AS rows (n, run)
