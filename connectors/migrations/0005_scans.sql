-- What the markets of instruments were like, as scanned: one row an instrument and scan.
CREATE TABLE IF NOT EXISTS scans
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    seconds UInt64,
    synced_share Decimal(76, 24) COMMENT '0 to 1, like every share',
    updates_per_s Decimal(76, 24),
    mid Nullable(Decimal(76, 24)),
    tick_bps Nullable(Decimal(76, 24)),
    spread_bps Nullable(Decimal(76, 24)) COMMENT 'median',
    spread_p90_bps Nullable(Decimal(76, 24)),
    depth_5bps Nullable(Decimal(76, 24)) COMMENT 'median, thinner side, quote asset',
    depth_10bps Nullable(Decimal(76, 24)),
    is_depth_cut Bool COMMENT 'there is more than is known',
    imbalance_p10 Nullable(Decimal(76, 24)) COMMENT '(B - A) / (B + A)',
    imbalance_p50 Nullable(Decimal(76, 24)),
    imbalance_p90 Nullable(Decimal(76, 24)),
    buy_share Nullable(Decimal(76, 24)),
    sell_share Nullable(Decimal(76, 24)),
    signals_per_hour Decimal(76, 24),
    volatility_bps Nullable(Decimal(76, 24)) COMMENT 'root mean square over the hold',
    reach_share Nullable(Decimal(76, 24)),
    fill_share Nullable(Decimal(76, 24)),
    impact_bps Nullable(Decimal(76, 24)),
    fee_bps Decimal(76, 24),
    cost_bps Nullable(Decimal(76, 24)) COMMENT 'of a round trip',
    break_even_win_rate Nullable(Decimal(76, 24)),
    verdict LowCardinality(String),
    reasons String COMMENT 'separated by "; "',
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;
