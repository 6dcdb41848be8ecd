-- When a member of staff last showed that mail reaches them (an answer to a test message, or an act by a mail's link); when they
-- were asked last; when whoever keeps the on-call list was told that no answer came. All on the clinical clock.
ALTER TABLE accounts ADD COLUMN reached_at BIGINT;
ALTER TABLE accounts ADD COLUMN test_asked_at BIGINT;
ALTER TABLE accounts ADD COLUMN test_told_at BIGINT;

-- The gate to the dose shows who was reached: see 0005_stamps and 0012_roster.
CREATE TRIGGER accounts_stamp_reached AFTER UPDATE OF reached_at ON accounts
    FOR EACH ROW WHEN (NEW.kind = 'staff') EXECUTE FUNCTION stamp_account();
CREATE TRIGGER accounts_stamp_reached_roster AFTER UPDATE OF reached_at ON accounts
    FOR EACH ROW WHEN (NEW.kind = 'staff') EXECUTE FUNCTION stamp_roster();

-- The view of 0023_record_rows; of staff and of who is on the list `from_at` says when they were reached.
DROP VIEW clinic_rows;
CREATE VIEW clinic_rows AS
SELECT id AS clinic_id, 'clinics' AS part, id, 0 AS position, version AS number, slug, name, zone, phone, NULL::TEXT AS place,
    NULL::BIGINT AS from_at, NULL::BIGINT AS to_at, NULL::BYTEA AS sealed, NULL::BYTEA AS more_sealed FROM clinics
UNION ALL SELECT clinic_id, 'rosters', clinic_id, 0, version, NULL, NULL, NULL, NULL, NULL, NULL, NULL, doc_sealed, NULL FROM rosters
UNION ALL SELECT o.clinic_id, 'on_call', a.id, o.position, NULL, NULL, NULL, NULL, NULL, o.place, a.reached_at, NULL, a.email_sealed, a.profile_sealed
    FROM on_call o JOIN accounts a ON a.id = o.account_id WHERE a.active
UNION ALL SELECT clinic_id, 'staff', id, 0, NULL, NULL, NULL, NULL, NULL, NULL, reached_at, NULL, email_sealed, profile_sealed
    FROM accounts WHERE kind = 'staff' AND active
UNION ALL SELECT c.id, 'watch', c.id, 0, NULL, NULL, NULL, NULL, NULL, NULL, w.machine_at, NULL, NULL, NULL FROM clinics c CROSS JOIN watch w
    WHERE w.id = 1
UNION ALL SELECT c.id, 'watch_gaps', g.id, 0, NULL, NULL, NULL, NULL, NULL, NULL, g.from_at, g.to_at, NULL, NULL
    FROM clinics c CROSS JOIN watch_gaps g;
