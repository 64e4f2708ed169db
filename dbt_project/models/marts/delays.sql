select
    flight_date,
    carrier,
    origin,
    count(*) as flights,
    count_if(cancelled) as cancelled,
    count(arr_delay) as arrived,
    {{ mean('dep_delay') }} as dep_delay,
    {{ mean('arr_delay') }} as arr_delay,
    {{ on_time_rate() }} as on_time_rate
from {{ ref('stg_flights') }}
group by flight_date, carrier, origin
