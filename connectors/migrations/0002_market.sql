-- What the market showed, derived from recorded frames.
--
-- `block` names the block of the ledger that a row came with. Every table keeps a
-- deduplication window, so that a request sent twice counts once; every insert reaches
-- the disk before it is confirmed. Time to
-- live counts from `inserted_at`, never from the market's clock: a replay of an old
-- recording must keep its rows.
--
-- Decimal(38, 12): 26 digits before the point, 12 after it; the product of two needs no
-- cast up to 14 digits before the point.

-- The book after each applied depth event; `sequence` counts the views of a run.
-- `ratio` is B / A, NULL where A = 0; `imbalance` is (B - A) / (B + A), from -1 to 1.
CREATE TABLE IF NOT EXISTS book_views
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    update_id UInt64,
    bid_prices Array(Decimal(38, 12)) COMMENT 'best first',
    bid_quantities Array(Decimal(38, 12)),
    ask_prices Array(Decimal(38, 12)) COMMENT 'best first',
    ask_quantities Array(Decimal(38, 12)),
    best_bid Nullable(Decimal(38, 12)),
    best_ask Nullable(Decimal(38, 12)),
    bid_volume Decimal(38, 12) COMMENT 'B, summed quantity of the bids',
    ask_volume Decimal(38, 12) COMMENT 'A, summed quantity of the asks',
    zone LowCardinality(String),
    is_beyond_horizon Bool,
    ratio Nullable(Float64) DEFAULT
        if(ask_volume = 0, NULL, toFloat64(bid_volume) / toFloat64(ask_volume)),
    imbalance Float64 DEFAULT
        if(bid_volume = 0 AND ask_volume = 0, 0,
            (toFloat64(bid_volume) - toFloat64(ask_volume))
            / (toFloat64(bid_volume) + toFloat64(ask_volume))),
    strength Float64 DEFAULT abs(imbalance),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
TTL inserted_at + INTERVAL 180 DAY
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Public trades; an aggregate stands for several trades and has ids of its own.
CREATE TABLE IF NOT EXISTS market_trades
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    exchange_at DateTime64(3, 'UTC'),
    trade_id UInt64,
    price Decimal(38, 12),
    quantity Decimal(38, 12),
    buyer_is_maker Bool,
    is_aggregate Bool,
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
TTL inserted_at + INTERVAL 180 DAY
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;
