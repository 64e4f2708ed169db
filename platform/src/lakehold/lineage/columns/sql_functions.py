"""Functions of the engines that the parser has no class of its own for: what is here is not somebody's own function.

From Trino's list of functions, the names of ``pyspark.sql.functions`` and Spark's own registry. ``reflect`` and
``java_method`` are left out on purpose: they call what nobody can look into.
"""

from __future__ import annotations

_SPARK_AGGREGATES = (
    "bitmap_and_agg bloom_filter_agg collect_top_k count_min_sketch every histogram_numeric hll_sketch_agg "
    "hll_union_agg kll_merge_agg_bigint kll_merge_agg_double kll_merge_agg_float kll_sketch_agg_bigint "
    "kll_sketch_agg_double kll_sketch_agg_float mean schema_of_variant_agg some std theta_intersection_agg "
    "theta_sketch_agg theta_union_agg try_avg try_sum "
)
_TRINO_AGGREGATES = (
    "approx_most_frequent approx_set checksum convex_hull_agg evaluate_classifier_predictions every "
    "geometric_mean geometry_collect_agg geometry_union_agg histogram learn_classifier learn_libsvm_classifier "
    "learn_libsvm_regressor learn_regressor make_set_digest map_agg map_union merge merge_set_digest multimap_agg "
    "numeric_histogram qdigest_agg reduce_agg spatial_partitioning tdigest_agg theta_sketch_union "
)
_SPARK = (
    "aes_decrypt aes_encrypt array_binary_search array_repeat array_union arrays_overlap assert_true bigint "
    "bin binary bround btrim cardinality collation conv crc32 current_catalog current_database date_part datepart "
    "decimal e elt equal_null expm1 find_in_set forall format_number from_csv from_protobuf from_xml get hash "
    "hll_sketch_estimate hll_union hypot input_file_block_length input_file_block_start input_file_name "
    "is_valid_utf8 is_variant_null isnotnull isnull json_array_length kll_sketch_get_n_bigint "
    "kll_sketch_get_n_double kll_sketch_get_n_float kll_sketch_get_quantile_bigint kll_sketch_get_quantile_double "
    "kll_sketch_get_quantile_float kll_sketch_get_rank_bigint kll_sketch_get_rank_double "
    "kll_sketch_get_rank_float kll_sketch_merge_bigint kll_sketch_merge_double kll_sketch_merge_float "
    "kll_sketch_to_string_bigint kll_sketch_to_string_double kll_sketch_to_string_float log1p luhn_check "
    "make_date make_dt_interval make_time make_timestamp_ltz make_timestamp_ntz make_valid_utf8 make_ym_interval "
    "map_concat map_entries map_filter map_values map_zip_with mask monotonically_increasing_id now nullifzero "
    "octet_length pmod positive printf quote raise_error randstr regexp schema_of_avro schema_of_csv "
    "schema_of_json schema_of_variant schema_of_xml sentences session_window smallint space spark_partition_id "
    "st_asbinary st_geogfromwkb st_geomfromwkb st_setsrid st_srid theta_difference theta_intersection "
    "theta_sketch_estimate theta_union timestamp_micros timestamp_millis timestamp_seconds tinyint to_avro to_csv "
    "to_protobuf to_time to_timestamp_ltz to_timestamp_ntz to_varchar to_variant_object to_xml transform_keys "
    "transform_values try_aes_decrypt try_make_interval try_make_timestamp try_make_timestamp_ltz "
    "try_make_timestamp_ntz try_mod try_parse_json try_parse_url try_to_binary try_to_date try_to_number "
    "try_to_time try_to_timestamp try_url_decode try_validate_utf8 try_variant_get uniform url_decode url_encode "
    "user validate_utf8 variant_get version weekday window window_time xpath xpath_boolean xpath_double "
    "xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string xxhash64 zeroifnull zip_with "
)
_TRINO = (
    "all_match any_match array_histogram array_union arrays_overlap at_timezone bar beta_cdf bing_tile "
    "bing_tile_at bing_tile_coordinates bing_tile_polygon bing_tile_quadkey bing_tile_zoom_level "
    "bing_tiles_around bit_count bitwise_left_shift bitwise_right_shift bitwise_right_shift_arithmetic "
    "char2hexint classify codepoint color combinations contains_sequence cosine_similarity crc32 current_groups e "
    "empty_approx_set features format_datetime format_number from_base64url from_big_endian_32 from_big_endian_64 "
    "from_encoded_polyline from_geojson_geometry from_ieee754_32 from_ieee754_64 from_unixtime_nanos "
    "geometry_from_hadoop_shape geometry_invalid_reason geometry_nearest_points geometry_to_bing_tiles "
    "geometry_union great_circle_distance hamming_distance hash_counts hmac_md5 hmac_sha1 hmac_sha256 hmac_sha512 "
    "human_readable_seconds index infinity intersection_cardinality inverse_beta_cdf inverse_normal_cdf is_finite "
    "is_infinite is_json_scalar jaccard_index json_array json_array_get json_array_length json_exists json_object "
    "json_query json_size json_value line_interpolate_point line_interpolate_points line_locate_point luhn_check "
    "map_concat map_entries map_filter map_values map_zip_with millisecond multimap_from_entries murmur3 nan "
    "ngrams none_match normal_cdf objectid objectid_timestamp parse_data_size parse_duration regexp_position "
    "regress render rgb simplify_geometry spatial_partitions split_to_multimap spooky_hash_v2_32 "
    "spooky_hash_v2_64 theta_sketch_cardinality timestamp_objectid timezone timezone_hour timezone_minute "
    "title_case to_base to_base64url to_big_endian_32 to_big_endian_64 to_date to_encoded_polyline "
    "to_geojson_geometry to_geometry to_ieee754_32 to_ieee754_64 to_iso8601 to_milliseconds "
    "to_spherical_geography to_timestamp transform_keys transform_values trim_array url_decode url_encode "
    "url_extract_fragment url_extract_host url_extract_parameter url_extract_path url_extract_port "
    "url_extract_protocol url_extract_query value_at_quantile values_at_quantiles wilson_interval_lower "
    "wilson_interval_upper with_timezone word_stem xxhash64 yow zip zip_with "
)

AGGREGATES = {"spark": frozenset(_SPARK_AGGREGATES.split()), "trino": frozenset(_TRINO_AGGREGATES.split())}
"""Functions that make one value of many rows."""
KNOWN = {"spark": frozenset(_SPARK.split()), "trino": frozenset(_TRINO.split())}
"""Functions whose value is made of their arguments and nothing else."""
HIDDEN_COLUMNS = frozenset(
    ("_file", "_pos", "_deleted", "_spec_id", "_partition", "$path", "$file_modified_time", "$partition")
)
"""What the engines tell of the file a row is in; no column of a table."""
