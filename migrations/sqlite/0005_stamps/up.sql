-- What a record that is kept open in memory is compared with before it is shown again.
--
-- A patient's and a session's own version move on with every change to them. What else a record shows (the clinic, who is on
-- call, the protocol in force, the gaps of the watch) has a stamp that the database itself draws anew at every change: one
-- for each clinic, and 'all'. Drawn at random, so that a stamp that was rolled back or lost never comes again.
CREATE TABLE stamps (
    scope TEXT NOT NULL PRIMARY KEY,
    stamp INTEGER NOT NULL
) STRICT;

CREATE TRIGGER clinics_stamp_update AFTER UPDATE ON clinics
BEGIN
    INSERT INTO stamps VALUES (NEW.id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER on_call_stamp_insert AFTER INSERT ON on_call
BEGIN
    INSERT INTO stamps VALUES (NEW.clinic_id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER on_call_stamp_update AFTER UPDATE ON on_call
BEGIN
    INSERT INTO stamps VALUES (OLD.clinic_id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
    INSERT INTO stamps VALUES (NEW.clinic_id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER on_call_stamp_delete AFTER DELETE ON on_call
BEGIN
    INSERT INTO stamps VALUES (OLD.clinic_id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
-- Not at a log-in's counters, its password or its PIN: no record shows them. Whoever is on call at another clinic's list is
-- on it by a row of that list, and by no other way.
CREATE TRIGGER accounts_stamp_update
AFTER UPDATE OF clinic_id, kind, email_sealed, profile_sealed, active ON accounts
BEGIN
    INSERT INTO stamps SELECT clinic_id, random() FROM on_call WHERE account_id = NEW.id GROUP BY clinic_id
        ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER protocol_documents_stamp_insert AFTER INSERT ON protocol_documents
BEGIN
    INSERT INTO stamps VALUES ('all', random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER protocol_documents_stamp_update AFTER UPDATE ON protocol_documents
BEGIN
    INSERT INTO stamps VALUES ('all', random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER protocol_documents_stamp_delete AFTER DELETE ON protocol_documents
BEGIN
    INSERT INTO stamps VALUES ('all', random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER watch_gaps_stamp_insert AFTER INSERT ON watch_gaps
BEGIN
    INSERT INTO stamps VALUES ('all', random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER watch_gaps_stamp_update AFTER UPDATE ON watch_gaps
BEGIN
    INSERT INTO stamps VALUES ('all', random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER watch_gaps_stamp_delete AFTER DELETE ON watch_gaps
BEGIN
    INSERT INTO stamps VALUES ('all', random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;

-- One row for each patient: all that a kept record of theirs is compared with, by one statement. Versions only grow and sessions
-- stay, so the sum of their versions is the same only when every one of them is. `server` tells databases apart that went
-- separate ways, as a standby that took over; SQLite has one. `watched_at` is no part of a record that is kept: it changes
-- with every cycle and is read anew each time.
CREATE VIEW record_stamps AS
SELECT
    p.id AS patient_id,
    p.version AS patient_version,
    COALESCE((SELECT SUM(s.version) FROM sessions s WHERE s.patient_id = p.id), 0) AS session_versions,
    COALESCE((SELECT stamp FROM stamps WHERE scope = p.clinic_id), 0) AS clinic_stamp,
    COALESCE((SELECT stamp FROM stamps WHERE scope = 'all'), 0) AS common_stamp,
    (SELECT machine_at FROM watch WHERE id = 1) AS watched_at,
    0 AS server
FROM patients p;
