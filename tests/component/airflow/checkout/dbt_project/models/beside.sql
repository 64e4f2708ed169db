select 'beside' as name
