-- What has been loaded, and what could not be.

-- The life of each block, one row per state: planned before its first insert, loaded
-- after its last, dropped where it was cut off and removed. `number` is never used twice.
CREATE TABLE IF NOT EXISTS archive_blocks
(
    number UInt64,
    run_id LowCardinality(String),
    source LowCardinality(String),
    first UInt64,
    last UInt64,
    state Enum8('planned' = 1, 'loaded' = 2, 'dropped' = 3),
    at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (run_id, source, number, state)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Rows with a number that its column cannot hold exactly: kept verbatim, never rounded.
CREATE TABLE IF NOT EXISTS unrepresentable
(
    run_id LowCardinality(String),
    block UInt64,
    table LowCardinality(String),
    sequence UInt64,
    row String COMMENT 'JSON, numbers as text',
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (run_id, table, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;
