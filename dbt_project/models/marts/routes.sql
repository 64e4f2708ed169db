select
    origin,
    dest,
    max(dest_name) as dest_name,
    max(dest_lat) as dest_lat,
    max(dest_lon) as dest_lon,
    max(distance) as distance,
    count(*) as flights,
    count(distinct carrier) as carriers,
    {{ share('cancelled') }} as cancelled_share,
    {{ mean('air_time') }} as air_time,
    {{ mean('arr_delay') }} as arr_delay,
    {{ on_time_rate() }} as on_time_rate
from {{ ref('stg_flights') }}
group by origin, dest
