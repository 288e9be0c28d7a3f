-- What was decided and done: the journal, verbatim and by kind. Kept for ever.
--
-- Decimal(76, 24): 52 digits before the point, 24 after it; the product of two needs no
-- cast up to 28 digits before the point.

-- Every journal row as it was written.
CREATE TABLE IF NOT EXISTS journal
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    kind LowCardinality(String),
    body String COMMENT 'JSON',
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Entries into the BUY or the SELL zone.
CREATE TABLE IF NOT EXISTS signals
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    side LowCardinality(String),
    update_id UInt64,
    bid_volume Decimal(76, 24),
    ask_volume Decimal(76, 24),
    best_bid Nullable(Decimal(76, 24)),
    best_ask Nullable(Decimal(76, 24)),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- What the risk gate said, with the numbers that decided.
CREATE TABLE IF NOT EXISTS decisions
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    decision LowCardinality(String) COMMENT 'approved or refused',
    side LowCardinality(String),
    reason LowCardinality(String) COMMENT 'of a refusal',
    value Nullable(Decimal(76, 24)) COMMENT 'what was measured',
    limit Nullable(Decimal(76, 24)) COMMENT 'what it was measured against',
    client_order_id String COMMENT 'of an approval',
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Orders as decided; immutable, their progress is in order_reports.
CREATE TABLE IF NOT EXISTS orders
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    client_order_id String,
    side LowCardinality(String),
    order_type LowCardinality(String),
    purpose LowCardinality(String),
    quantity Decimal(76, 24),
    limit_price Nullable(Decimal(76, 24)),
    is_reduce_only Bool,
    notional Decimal(76, 24),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Stop orders that stand at the exchange for open positions.
CREATE TABLE IF NOT EXISTS protective_stops
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    client_order_id String,
    side LowCardinality(String),
    trigger_price Decimal(76, 24) COMMENT 'mark price at which it fires',
    status LowCardinality(String) COMMENT 'SENT, WORKING, REFUSED or ENDED',
    reason String,
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- What the venue said of an order.
CREATE TABLE IF NOT EXISTS order_reports
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    client_order_id String,
    status LowCardinality(String),
    filled_quantity Decimal(76, 24) COMMENT 'cumulative',
    reason String,
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Executions.
CREATE TABLE IF NOT EXISTS fills
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    client_order_id String,
    trade_id String,
    side LowCardinality(String),
    price Decimal(76, 24),
    quantity Decimal(76, 24),
    notional Decimal(76, 24),
    fee Decimal(76, 24) COMMENT 'quote asset',
    is_maker Bool,
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- What an exchange booked on the account beside trades.
CREATE TABLE IF NOT EXISTS cash_movements
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    reason LowCardinality(String) COMMENT 'funding, transfer or other',
    amount Decimal(76, 24) COMMENT 'quote asset, positive where it came in',
    booking_id String,
    detail String,
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Positions after each fill.
CREATE TABLE IF NOT EXISTS positions
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    direction LowCardinality(String),
    quantity Decimal(76, 24) COMMENT 'open, unsigned',
    entry_quantity Decimal(76, 24),
    entry_notional Decimal(76, 24),
    exit_notional Decimal(76, 24),
    fees Decimal(76, 24),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Round trips from flat to flat.
CREATE TABLE IF NOT EXISTS trades_closed
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    direction LowCardinality(String),
    opened_at DateTime64(9, 'UTC'),
    quantity Decimal(76, 24),
    entry_notional Decimal(76, 24),
    exit_notional Decimal(76, 24),
    gross Decimal(76, 24),
    fees Decimal(76, 24),
    net Decimal(76, 24),
    exit_purpose LowCardinality(String),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- The account's worth.
CREATE TABLE IF NOT EXISTS equity
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    equity Decimal(76, 24),
    gross Decimal(76, 24),
    fees Decimal(76, 24),
    funding Decimal(76, 24) COMMENT 'and other bookings that are no transfer',
    day_pnl Decimal(76, 24),
    drawdown Decimal(76, 24),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (run_id, received_at, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Where each book left one state for another.
CREATE TABLE IF NOT EXISTS book_states
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    before LowCardinality(String),
    after LowCardinality(String),
    update_id Nullable(UInt64),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (symbol, received_at, run_id, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- The kill switch and the operator's commands.
CREATE TABLE IF NOT EXISTS risk_events
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    event LowCardinality(String) COMMENT 'kill_tripped, kill_completed, kill_reset, command_handled, reconciled',
    verb LowCardinality(String),
    reason String,
    operator String,
    is_accepted Bool COMMENT 'of a command; whether it agreed, of a reconciliation',
    is_peak_rebased Bool,
    detail String,
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (run_id, received_at, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- The first and the last entry of a run.
CREATE TABLE IF NOT EXISTS run_events
(
    run_id LowCardinality(String),
    block UInt64,
    sequence UInt64,
    symbol LowCardinality(String),
    received_at DateTime64(9, 'UTC'),
    event LowCardinality(String) COMMENT 'started or ended',
    mode LowCardinality(String),
    inputs Map(String, String) COMMENT 'name to sha256',
    settings Map(String, String),
    equity Nullable(Decimal(76, 24)),
    max_drawdown Nullable(Decimal(76, 24)),
    inserted_at DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (run_id, received_at, sequence)
SETTINGS non_replicated_deduplication_window = 1000,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per run; `ended_at` is NULL while it runs, or where it was cut off.
CREATE VIEW IF NOT EXISTS runs AS
SELECT
    run_id,
    anyIf(e.mode, event = 'started') AS mode,
    minIf(e.received_at, event = 'started') AS started_at,
    maxOrNullIf(e.received_at, event = 'ended') AS ended_at,
    anyIf(e.inputs, event = 'started') AS inputs,
    anyIf(e.settings, event = 'started') AS settings,
    anyIf(e.equity, event = 'ended') AS equity,
    anyIf(e.max_drawdown, event = 'ended') AS max_drawdown
FROM run_events AS e
GROUP BY run_id;

-- Orders with where they stand; NEW until the venue has said something.
CREATE VIEW IF NOT EXISTS order_states AS
SELECT
    o.run_id AS run_id,
    o.sequence AS sequence,
    o.symbol AS symbol,
    o.received_at AS received_at,
    o.client_order_id AS client_order_id,
    o.side AS side,
    o.order_type AS order_type,
    o.purpose AS purpose,
    o.quantity AS quantity,
    o.limit_price AS limit_price,
    o.notional AS notional,
    if(r.status = '', 'NEW', r.status) AS status,
    r.filled_quantity AS filled_quantity,
    r.reason AS reason,
    if(r.status = '', o.received_at, r.reported_at) AS reported_at
FROM orders AS o
LEFT JOIN
(
    SELECT
        run_id,
        client_order_id,
        toString(argMax(order_reports.status, order_reports.sequence)) AS status,
        argMax(order_reports.filled_quantity, order_reports.sequence)
            AS filled_quantity,
        argMax(order_reports.reason, order_reports.sequence) AS reason,
        max(order_reports.received_at) AS reported_at
    FROM order_reports
    GROUP BY run_id, client_order_id
) AS r ON o.run_id = r.run_id AND o.client_order_id = r.client_order_id;
