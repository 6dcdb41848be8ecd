-- A message is written three times: when it is decided, when it is claimed and when its result is recorded. An index that names
-- `state` makes each claim write every index anew. What has not ended is as well told by `finished_at`, which a claim leaves as
-- it is: so a claim is a change within its page, for which there is room.
DROP INDEX outbox_to_send;
CREATE INDEX outbox_to_send ON outbox (lane, retry_at, not_before) WHERE finished_at IS NULL;
DROP INDEX outbox_bundled;
CREATE INDEX outbox_bundled ON outbox (why) WHERE finished_at IS NULL AND why IS NOT NULL;
ALTER TABLE outbox SET (fillfactor = 45);

-- What is sealed cannot be made smaller, so it is not tried.
ALTER TABLE outbox ALTER COLUMN doc_sealed SET STORAGE EXTERNAL, ALTER COLUMN rendered_sealed SET STORAGE EXTERNAL;
