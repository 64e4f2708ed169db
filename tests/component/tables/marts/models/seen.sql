{{ config(materialized='view') }} SELECT r.run, g.run AS grown FROM {{ ref('replaced') }} r, {{ ref('grown') }} g
