select
    tailnum,
    max(plane_manufacturer) as manufacturer,
    max(plane_model) as model,
    max(plane_year) as built,
    max(plane_seats) as seats,
    count(distinct carrier) as carriers,
    count(*) as flights,
    count(distinct flight_date) as days_flown,
    min(flight_date) as first_flight,
    max(flight_date) as last_flight,
    sum(distance) as miles,
    round(coalesce(sum(air_time), 0) / 60e0, 2) as air_hours
from {{ ref('stg_flights') }}
where tailnum is not null and not cancelled
group by tailnum
