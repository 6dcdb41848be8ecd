-- The log of messages reads a clinic's messages newest first; those that were not sent are few among many.
CREATE INDEX outbox_done_by_clinic ON outbox_done (clinic_id, id);
CREATE INDEX outbox_done_not_sent ON outbox_done (clinic_id, id) WHERE state <> 'sent';

-- Addresses that a mail server refused for good, named only by their blind index. `refused_at` begins the present stretch;
-- an accepted mail ends it with `cleared_at`. `told_at`: when staff last heard of it. Clinical clock.
CREATE TABLE refused_addresses (
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    address_index BYTEA NOT NULL,
    refused_at BIGINT NOT NULL,
    last_refused_at BIGINT NOT NULL,
    refusals INTEGER NOT NULL,
    recipient_kind TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    reply_code INTEGER,
    class TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    told_at BIGINT,
    cleared_at BIGINT,
    PRIMARY KEY (clinic_id, address_index)
);
CREATE INDEX refused_addresses_now ON refused_addresses (clinic_id) WHERE cleared_at IS NULL;

-- Bundles: a message that waits in another's mail has the state `bundled` and names the carrier in `why`. The claim of the lower
-- lanes looks for what else waits for a recipient and for what they got within the hour.
CREATE INDEX outbox_bundled ON outbox (why) WHERE state = 'bundled';
CREATE INDEX outbox_by_recipient ON outbox (recipient_id) WHERE lane >= 2;
