-- What a record that is kept open in memory is compared with before it is shown again.
--
-- A patient's and a session's own version move on with every change to them. What else a record shows (the clinic, who is on
-- call, the protocol in force, the gaps of the watch) has a stamp that the database itself draws anew at every change: one
-- for each clinic, and 'all'. Drawn at random, so that a stamp that was rolled back or lost never comes again.
CREATE TABLE stamps (
    scope TEXT NOT NULL PRIMARY KEY,
    stamp BIGINT NOT NULL
);

CREATE FUNCTION draw_stamp(stamped TEXT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO stamps VALUES (stamped, hashtextextended(gen_random_uuid()::text, 0))
        ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp
$$;

CREATE FUNCTION stamp_clinic() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM draw_stamp(NEW.id);
    RETURN NULL;
END
$$;
CREATE FUNCTION stamp_on_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM draw_stamp(OLD.clinic_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM draw_stamp(NEW.clinic_id);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION stamp_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM draw_stamp(clinic_id) FROM on_call WHERE account_id = NEW.id GROUP BY clinic_id;
    RETURN NULL;
END
$$;
CREATE FUNCTION stamp_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM draw_stamp('all');
    RETURN NULL;
END
$$;

CREATE TRIGGER clinics_stamp AFTER UPDATE ON clinics FOR EACH ROW EXECUTE FUNCTION stamp_clinic();
CREATE TRIGGER on_call_stamp AFTER INSERT OR UPDATE OR DELETE ON on_call FOR EACH ROW EXECUTE FUNCTION stamp_on_call();
-- Not at a log-in's counters, its password or its PIN: no record shows them. Whoever is on call at another clinic's list is
-- on it by a row of that list, and by no other way.
CREATE TRIGGER accounts_stamp AFTER UPDATE OF clinic_id, kind, email_sealed, profile_sealed, active ON accounts
    FOR EACH ROW EXECUTE FUNCTION stamp_account();
CREATE TRIGGER protocol_documents_stamp AFTER INSERT OR UPDATE OR DELETE ON protocol_documents
    FOR EACH STATEMENT EXECUTE FUNCTION stamp_all();
CREATE TRIGGER watch_gaps_stamp AFTER INSERT OR UPDATE OR DELETE ON watch_gaps
    FOR EACH STATEMENT EXECUTE FUNCTION stamp_all();

-- One row for each patient: all that a kept record of theirs is compared with, by one statement. Versions only grow and sessions
-- stay, so the sum of their versions is the same only when every one of them is. `server` tells databases apart that went
-- separate ways, as a standby that took over. `watched_at` is no part of a record that is kept: it changes with every cycle
-- and is read anew each time.
CREATE VIEW record_stamps AS
SELECT
    p.id AS patient_id,
    p.version AS patient_version,
    COALESCE((SELECT SUM(s.version) FROM sessions s WHERE s.patient_id = p.id), 0)::BIGINT AS session_versions,
    COALESCE((SELECT stamp FROM stamps WHERE scope = p.clinic_id), 0) AS clinic_stamp,
    COALESCE((SELECT stamp FROM stamps WHERE scope = 'all'), 0) AS common_stamp,
    (SELECT machine_at FROM watch WHERE id = 1) AS watched_at,
    (EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000)::BIGINT AS server
FROM patients p;
