-- A clinic's own versions of the protocol document; a document without a row here ships with the program. `in_force_at`: since
-- when, once everybody signed who must; of a clinic's versions the latest counts. Author, reason and signatures are sealed.
CREATE TABLE protocol_versions (
    version TEXT NOT NULL PRIMARY KEY REFERENCES protocol_documents (version),
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    number INTEGER NOT NULL,
    doc_sealed BYTEA NOT NULL,
    in_force_at BIGINT,
    UNIQUE (clinic_id, number)
);

-- What a record that is kept open shows of the protocol in force: see 0005_stamps. A draft changes nothing yet.
CREATE TRIGGER protocol_versions_stamp AFTER UPDATE OF in_force_at ON protocol_versions
    FOR EACH ROW EXECUTE FUNCTION stamp_on_call();
