-- The log of messages reads a clinic's messages newest first; those that were not sent are few among many.
CREATE INDEX outbox_done_by_clinic ON outbox_done (clinic_id, id);
CREATE INDEX outbox_done_not_sent ON outbox_done (clinic_id, id) WHERE state <> 'sent';
