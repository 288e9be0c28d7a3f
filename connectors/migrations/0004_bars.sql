-- Materialised views: one row per symbol, bucket and block, so that a block can be
-- removed again. Query the plain views, which add the blocks up.

-- Mid price, spread and imbalance per symbol and second, as aggregation states.
CREATE TABLE IF NOT EXISTS book_bars_1s_state
(
    run_id LowCardinality(String),
    block UInt64,
    symbol LowCardinality(String),
    bucket DateTime('UTC'),
    open AggregateFunction(argMin, Nullable(Decimal(76, 12)), UInt64),
    high SimpleAggregateFunction(max, Nullable(Decimal(76, 12))),
    low SimpleAggregateFunction(min, Nullable(Decimal(76, 12))),
    close AggregateFunction(argMax, Nullable(Decimal(76, 12)), UInt64),
    spread_sum SimpleAggregateFunction(sum, Nullable(Decimal(76, 12))),
    quoted SimpleAggregateFunction(sum, UInt64) COMMENT 'views with both sides',
    imbalance_ppb SimpleAggregateFunction(sum, Int64) COMMENT 'summed, parts in 10^9',
    views SimpleAggregateFunction(sum, UInt64),
    buy_views SimpleAggregateFunction(sum, UInt64),
    sell_views SimpleAggregateFunction(sum, UInt64),
    inserted_at SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(bucket)
ORDER BY (symbol, bucket, run_id, block)
TTL inserted_at + INTERVAL 180 DAY
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS book_bars_1s_feed TO book_bars_1s_state AS
WITH
    toDecimal256(best_bid, 12) AS bid,
    toDecimal256(best_ask, 12) AS ask,
    (bid + ask) / 2 AS mid
SELECT
    run_id,
    block,
    symbol,
    toDateTime(received_at) AS bucket,
    argMinState(mid, sequence) AS open,
    max(mid) AS high,
    min(mid) AS low,
    argMaxState(mid, sequence) AS close,
    sum(ask - bid) AS spread_sum,
    count(mid) AS quoted,
    sum(toInt64(imbalance * 1000000000)) AS imbalance_ppb,
    count() AS views,
    countIf(zone = 'BUY') AS buy_views,
    countIf(zone = 'SELL') AS sell_views,
    max(book_views.inserted_at) AS inserted_at
FROM book_views
GROUP BY run_id, block, symbol, bucket;

CREATE VIEW IF NOT EXISTS book_bars_1s AS
SELECT
    run_id,
    symbol,
    bucket,
    argMinMerge(s.open) AS open,
    max(s.high) AS high,
    min(s.low) AS low,
    argMaxMerge(s.close) AS close,
    sum(s.spread_sum) / nullIf(sum(s.quoted), 0) AS mean_spread,
    sum(s.imbalance_ppb) / 1000000000 / sum(s.views) AS mean_imbalance,
    sum(s.views) AS views,
    sum(s.buy_views) AS buy_views,
    sum(s.sell_views) AS sell_views
FROM book_bars_1s_state AS s
GROUP BY run_id, symbol, bucket;

-- Mid price, spread and imbalance per symbol and minute, as aggregation states.
CREATE TABLE IF NOT EXISTS book_bars_1m_state
(
    run_id LowCardinality(String),
    block UInt64,
    symbol LowCardinality(String),
    bucket DateTime('UTC'),
    open AggregateFunction(argMin, Nullable(Decimal(76, 12)), UInt64),
    high SimpleAggregateFunction(max, Nullable(Decimal(76, 12))),
    low SimpleAggregateFunction(min, Nullable(Decimal(76, 12))),
    close AggregateFunction(argMax, Nullable(Decimal(76, 12)), UInt64),
    spread_sum SimpleAggregateFunction(sum, Nullable(Decimal(76, 12))),
    quoted SimpleAggregateFunction(sum, UInt64) COMMENT 'views with both sides',
    imbalance_ppb SimpleAggregateFunction(sum, Int64) COMMENT 'summed, parts in 10^9',
    views SimpleAggregateFunction(sum, UInt64),
    buy_views SimpleAggregateFunction(sum, UInt64),
    sell_views SimpleAggregateFunction(sum, UInt64),
    inserted_at SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(bucket)
ORDER BY (symbol, bucket, run_id, block)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS book_bars_1m_feed TO book_bars_1m_state AS
WITH
    toDecimal256(best_bid, 12) AS bid,
    toDecimal256(best_ask, 12) AS ask,
    (bid + ask) / 2 AS mid
SELECT
    run_id,
    block,
    symbol,
    toStartOfMinute(toDateTime(received_at)) AS bucket,
    argMinState(mid, sequence) AS open,
    max(mid) AS high,
    min(mid) AS low,
    argMaxState(mid, sequence) AS close,
    sum(ask - bid) AS spread_sum,
    count(mid) AS quoted,
    sum(toInt64(imbalance * 1000000000)) AS imbalance_ppb,
    count() AS views,
    countIf(zone = 'BUY') AS buy_views,
    countIf(zone = 'SELL') AS sell_views,
    max(book_views.inserted_at) AS inserted_at
FROM book_views
GROUP BY run_id, block, symbol, bucket;

CREATE VIEW IF NOT EXISTS book_bars_1m AS
SELECT
    run_id,
    symbol,
    bucket,
    argMinMerge(s.open) AS open,
    max(s.high) AS high,
    min(s.low) AS low,
    argMaxMerge(s.close) AS close,
    sum(s.spread_sum) / nullIf(sum(s.quoted), 0) AS mean_spread,
    sum(s.imbalance_ppb) / 1000000000 / sum(s.views) AS mean_imbalance,
    sum(s.views) AS views,
    sum(s.buy_views) AS buy_views,
    sum(s.sell_views) AS sell_views
FROM book_bars_1m_state AS s
GROUP BY run_id, symbol, bucket;

-- Public trades per symbol and minute.
CREATE TABLE IF NOT EXISTS market_trades_1m_state
(
    run_id LowCardinality(String),
    block UInt64,
    symbol LowCardinality(String),
    bucket DateTime('UTC'),
    is_aggregate Bool,
    trades SimpleAggregateFunction(sum, UInt64),
    volume SimpleAggregateFunction(sum, Decimal(76, 12)),
    notional SimpleAggregateFunction(sum, Decimal(76, 24)),
    sold_volume SimpleAggregateFunction(sum, Decimal(76, 12)) COMMENT 'the buyer was the maker',
    inserted_at SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
PARTITION BY toDate(bucket)
ORDER BY (symbol, bucket, is_aggregate, run_id, block)
TTL inserted_at + INTERVAL 3 YEAR
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS market_trades_1m_feed TO market_trades_1m_state AS
WITH toDecimal256(quantity, 12) AS amount
SELECT
    run_id,
    block,
    symbol,
    toStartOfMinute(toDateTime(received_at)) AS bucket,
    is_aggregate,
    count() AS trades,
    sum(amount) AS volume,
    sum(toDecimal256(price, 12) * amount) AS notional,
    sumIf(amount, buyer_is_maker) AS sold_volume,
    max(market_trades.inserted_at) AS inserted_at
FROM market_trades
GROUP BY run_id, block, symbol, bucket, is_aggregate;

CREATE VIEW IF NOT EXISTS market_trades_1m AS
SELECT
    run_id,
    symbol,
    bucket,
    is_aggregate,
    sum(s.trades) AS trades,
    sum(s.volume) AS volume,
    sum(s.notional) AS notional,
    sum(s.sold_volume) AS sold_volume
FROM market_trades_1m_state AS s
GROUP BY run_id, symbol, bucket, is_aggregate;

-- Round trips and P&L per symbol and minute.
CREATE TABLE IF NOT EXISTS pnl_1m_state
(
    run_id LowCardinality(String),
    block UInt64,
    symbol LowCardinality(String),
    bucket DateTime('UTC'),
    trades UInt64,
    wins UInt64,
    gross Decimal(76, 24),
    fees Decimal(76, 24),
    net Decimal(76, 24)
)
ENGINE = SummingMergeTree
PARTITION BY toDate(bucket)
ORDER BY (symbol, bucket, run_id, block)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS pnl_1m_feed TO pnl_1m_state AS
SELECT
    run_id,
    block,
    symbol,
    toStartOfMinute(toDateTime(received_at)) AS bucket,
    count() AS trades,
    countIf(trades_closed.net > 0) AS wins,
    sum(trades_closed.gross) AS gross,
    sum(trades_closed.fees) AS fees,
    sum(trades_closed.net) AS net
FROM trades_closed
GROUP BY run_id, block, symbol, bucket;

CREATE VIEW IF NOT EXISTS pnl_1m AS
SELECT
    run_id,
    symbol,
    bucket,
    sum(s.trades) AS trades,
    sum(s.wins) AS wins,
    sum(s.gross) AS gross,
    sum(s.fees) AS fees,
    sum(s.net) AS net
FROM pnl_1m_state AS s
GROUP BY run_id, symbol, bucket;
