-- What a scan tells of the way into a market and out of it, and whose fees it took.
ALTER TABLE scans
    ADD COLUMN IF NOT EXISTS target_move_bps Nullable(Decimal(76, 24))
        COMMENT 'median move that the target needs, with spread and impact of the entry',
    ADD COLUMN IF NOT EXISTS entry_notional Nullable(Decimal(76, 24))
        COMMENT 'the least that an entry came to in whole steps',
    ADD COLUMN IF NOT EXISTS exit_impact_bps Nullable(Decimal(76, 24)),
    ADD COLUMN IF NOT EXISTS fee_source LowCardinality(String),
    ADD COLUMN IF NOT EXISTS fee_win_rate Nullable(Decimal(76, 24))
        COMMENT 'break-even of the fees alone';
