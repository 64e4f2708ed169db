with classified as (
    select
        *,
        case
            when precip is null and wind_speed is null and visib is null then 'unknown'
            when precip >= 0.1 then 'heavy rain or snow'
            when precip > 0 then 'rain or snow'
            when visib < 3 then 'fog'
            when wind_speed >= 25 then 'strong wind'
            else 'fair'
        end as weather
    from {{ ref('stg_flights') }}
)

select
    origin,
    weather,
    count(*) as flights,
    {{ share('cancelled') }} as cancelled_share,
    {{ mean('dep_delay') }} as dep_delay,
    {{ mean('arr_delay') }} as arr_delay,
    {{ on_time_rate() }} as on_time_rate
from classified
group by origin, weather
