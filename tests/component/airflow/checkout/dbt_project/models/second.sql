select good from {{ ref('first') }}
