select
    flight_month,
    carrier,
    max(carrier_name) as carrier_name,
    count(*) as flights,
    count(distinct dest) as destinations,
    sum(distance) as miles,
    {{ share('cancelled') }} as cancelled_share,
    {{ mean('arr_delay') }} as arr_delay,
    {{ on_time_rate() }} as on_time_rate,
    rank() over (
        partition by flight_month
        order by {{ on_time_rate() }} desc nulls last
    ) as on_time_rank
from {{ ref('stg_flights') }}
group by flight_month, carrier
