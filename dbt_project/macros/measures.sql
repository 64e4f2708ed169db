{# The measures every mart has in common, so that they mean the same everywhere. #}

{% macro share(condition, total='count(*)', digits=4) -%}
    round(cast(count_if({{ condition }}) as double) / nullif({{ total }}, 0), {{ digits }})
{%- endmacro %}

{% macro mean(column, digits=6) -%}
    round(avg({{ column }}), {{ digits }})
{%- endmacro %}

{# On time as the authorities count it: arrived less than 15 minutes late. #}
{% macro on_time_rate() -%}
    {{ share('arr_delay < 15', 'count(arr_delay)') }}
{%- endmacro %}
