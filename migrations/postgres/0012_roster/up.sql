-- A clinic's roster over its on-call list; without a row the list stands alone. `version` guards edits. `told`: which gaps the
-- clinic has heard of, and at which step; no name is in it.
CREATE TABLE rosters (
    clinic_id TEXT NOT NULL PRIMARY KEY REFERENCES clinics (id),
    version BIGINT NOT NULL,
    doc_sealed BYTEA NOT NULL,
    told TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- What a record that is kept open shows of who is on call: see 0005_stamps. Which gaps were told is no part of it.
CREATE TRIGGER rosters_stamp AFTER INSERT OR UPDATE OF version ON rosters FOR EACH ROW EXECUTE FUNCTION stamp_on_call();
-- Who stands in a roster only is on no list.
CREATE FUNCTION stamp_roster() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM draw_stamp(clinic_id) FROM rosters WHERE clinic_id = NEW.clinic_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER accounts_stamp_roster AFTER UPDATE OF clinic_id, kind, email_sealed, profile_sealed, active ON accounts
    FOR EACH ROW WHEN (NEW.kind = 'staff') EXECUTE FUNCTION stamp_roster();
