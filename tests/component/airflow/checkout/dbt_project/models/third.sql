select count(*) as n from {{ ref('second') }}
