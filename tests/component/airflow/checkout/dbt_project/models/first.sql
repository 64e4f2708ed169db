select 1 as id, {{ var('good', 1) }} as good
