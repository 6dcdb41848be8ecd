-- The same indexes as on PostgreSQL, where a claim must not change what an index names: what has not ended is told by
-- `finished_at` instead of `state`.
DROP INDEX outbox_to_send;
CREATE INDEX outbox_to_send ON outbox (lane, retry_at, not_before) WHERE finished_at IS NULL;
DROP INDEX outbox_bundled;
CREATE INDEX outbox_bundled ON outbox (why) WHERE finished_at IS NULL AND why IS NOT NULL;
