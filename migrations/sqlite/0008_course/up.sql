-- A patient's own documents beside their sessions, oldest first by kind: lines of the lozenge ledger and what else belongs
-- to the course. They change under the patient's version.

CREATE TABLE patient_documents (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    patient_id TEXT NOT NULL REFERENCES patients (id),
    kind TEXT NOT NULL,
    position INTEGER NOT NULL,
    doc_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX patient_documents_by_patient ON patient_documents (patient_id, kind, position);
