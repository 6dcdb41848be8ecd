-- What a record is made of, so that it is loaded by one statement however many kinds of rows it has. A row says whose it is
-- (`subject_id`: a patient or a session), which table it stands in (`part`), and its place among those. `number` and `at` are the
-- part's own: the version of a patient and of a session, a session's dose, a duty's next look. `level` is that of an open case;
-- the open cases of a patient's sessions stand under the patient too, without their documents, with the session's id.
CREATE VIEW record_rows AS
SELECT id AS subject_id, 'patients' AS part, id, 0 AS position, version AS number, NULL AS at, NULL AS kind, NULL AS level,
    NULL AS doc, profile_sealed AS sealed FROM patients
UNION ALL SELECT patient_id, 'orders', id, order_version, NULL, NULL, NULL, NULL, NULL, doc_sealed FROM orders
UNION ALL SELECT patient_id, 'patient_documents', id, position, NULL, NULL, kind, NULL, NULL, doc_sealed FROM patient_documents
UNION ALL SELECT patient_id, 'sessions', id, ordinal, version, dosed_at, NULL, NULL, NULL, doc_sealed FROM sessions
UNION ALL SELECT s.patient_id, 'open_cases', s.id, 0, NULL, NULL, NULL, c.level, NULL, NULL
    FROM sessions s JOIN cases c ON c.subject_id = s.id WHERE c.state <> 'resolved'
UNION ALL SELECT session_id, 'sitters', id, position, NULL, NULL, NULL, NULL, NULL, doc_sealed FROM sitters
UNION ALL SELECT session_id, 'answers', id, position, NULL, NULL, NULL, NULL, NULL, doc_sealed FROM answers
UNION ALL SELECT session_id, 'check_ins', id, position, NULL, NULL, NULL, NULL, NULL, doc_sealed FROM check_ins
UNION ALL SELECT session_id, 'readings', id, position, NULL, NULL, NULL, NULL, NULL, doc_sealed FROM readings
UNION ALL SELECT subject_id, 'duties', id, position, NULL, wake_at, NULL, NULL, doc, NULL FROM duties
UNION ALL SELECT subject_id, 'cases', id, position, NULL, NULL, NULL, CASE WHEN state <> 'resolved' THEN level END, NULL, doc_sealed
    FROM cases;

-- What every record of a clinic knows besides: the clinic, its roster (`number` is its version), its on-call list, its
-- active staff, the last heartbeat (`from_at`) and the gaps of the watch.
CREATE INDEX accounts_staff_by_clinic ON accounts (clinic_id) WHERE kind = 'staff';
CREATE VIEW clinic_rows AS
SELECT id AS clinic_id, 'clinics' AS part, id, 0 AS position, version AS number, slug, name, zone, phone, NULL AS place, NULL AS from_at, NULL AS to_at,
    NULL AS sealed, NULL AS more_sealed FROM clinics
UNION ALL SELECT clinic_id, 'rosters', clinic_id, 0, version, NULL, NULL, NULL, NULL, NULL, NULL, NULL, doc_sealed, NULL FROM rosters
UNION ALL SELECT o.clinic_id, 'on_call', a.id, o.position, NULL, NULL, NULL, NULL, NULL, o.place, NULL, NULL, a.email_sealed, a.profile_sealed
    FROM on_call o JOIN accounts a ON a.id = o.account_id WHERE a.active
UNION ALL SELECT clinic_id, 'staff', id, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, email_sealed, profile_sealed
    FROM accounts WHERE kind = 'staff' AND active
UNION ALL SELECT c.id, 'watch', c.id, 0, NULL, NULL, NULL, NULL, NULL, NULL, w.machine_at, NULL, NULL, NULL FROM clinics c CROSS JOIN watch w
    WHERE w.id = 1
UNION ALL SELECT c.id, 'watch_gaps', g.id, 0, NULL, NULL, NULL, NULL, NULL, NULL, g.from_at, g.to_at, NULL, NULL
    FROM clinics c CROSS JOIN watch_gaps g;
