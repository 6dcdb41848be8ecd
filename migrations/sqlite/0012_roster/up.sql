-- A clinic's roster over its on-call list; without a row the list stands alone. `version` guards edits. `told`: which gaps the
-- clinic has heard of, and at which step; no name is in it.
CREATE TABLE rosters (
    clinic_id TEXT NOT NULL PRIMARY KEY REFERENCES clinics (id),
    version INTEGER NOT NULL,
    doc_sealed BLOB NOT NULL,
    told TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- What a record that is kept open shows of who is on call: see 0005_stamps. Which gaps were told is no part of it.
CREATE TRIGGER rosters_stamp_insert AFTER INSERT ON rosters
BEGIN
    INSERT INTO stamps VALUES (NEW.clinic_id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
CREATE TRIGGER rosters_stamp_update AFTER UPDATE OF version ON rosters
BEGIN
    INSERT INTO stamps VALUES (NEW.clinic_id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
-- Who stands in a roster only is on no list.
CREATE TRIGGER accounts_stamp_roster
AFTER UPDATE OF clinic_id, kind, email_sealed, profile_sealed, active ON accounts WHEN NEW.kind = 'staff'
BEGIN
    INSERT INTO stamps SELECT clinic_id, random() FROM rosters WHERE clinic_id = NEW.clinic_id
        ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
