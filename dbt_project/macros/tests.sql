{# Generic tests of this project; each is one query over the mart. #}

{% test one_row_per(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as rows_of_it
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}

{# No flight is lost or counted twice on the way into a mart. #}
{% test sums_to_source(model, column, source_model) %}
    select mart.total, origin.total as expected
    from (select sum({{ column }}) as total from {{ model }}) as mart
    cross join (select count(*) as total from {{ source_model }}) as origin
    where mart.total <> origin.total
{% endtest %}
