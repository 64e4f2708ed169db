{{ config(materialized='incremental', incremental_strategy='merge', unique_key='run') }}
SELECT * FROM (VALUES (1, '{{ var('run') }}')) AS rows (n, run)
