{{ config(materialized='incremental', incremental_strategy='merge', unique_key='run', on_table_exists='replace') }}
SELECT * FROM (VALUES (1, '{{ var('run') }}')) AS rows (n, run)
