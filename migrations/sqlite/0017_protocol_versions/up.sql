-- A clinic's own versions of the protocol document; a document without a row here ships with the program. `in_force_at`: since
-- when, once everybody signed who must; of a clinic's versions the latest counts. Author, reason and signatures are sealed.
CREATE TABLE protocol_versions (
    version TEXT NOT NULL PRIMARY KEY REFERENCES protocol_documents (version),
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    number INTEGER NOT NULL,
    doc_sealed BLOB NOT NULL,
    in_force_at INTEGER,
    UNIQUE (clinic_id, number)
) STRICT;

-- What a record that is kept open shows of the protocol in force: see 0005_stamps. A draft changes nothing yet.
CREATE TRIGGER protocol_versions_stamp_update AFTER UPDATE OF in_force_at ON protocol_versions
BEGIN
    INSERT INTO stamps VALUES (NEW.clinic_id, random()) ON CONFLICT (scope) DO UPDATE SET stamp = excluded.stamp;
END;
