-- Every table and column has the same name, order and meaning on both engines; a test compares them.
-- Instants are whole milliseconds since 1970 in UTC. Columns that end in _sealed are AES-256-GCM over the value's JSON,
-- bound to table, column and row. `lane` is the rank: 0 escalation, 1 session, 2 reminder, 3 digest.

CREATE TABLE clinics (
    id TEXT NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    zone TEXT NOT NULL,
    phone TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- One log-in each. The address is unique within a clinic; its index is an HMAC, so the address itself stays sealed.
CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    kind TEXT NOT NULL,
    email_index BLOB NOT NULL,
    email_sealed BLOB NOT NULL,
    profile_sealed BLOB NOT NULL,
    roles TEXT NOT NULL,
    password_hash TEXT,
    pin_hash TEXT,
    active INTEGER NOT NULL,
    login_failures INTEGER NOT NULL,
    login_locked_until INTEGER,
    pin_failures INTEGER NOT NULL,
    pin_locked_until INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (clinic_id, email_index)
) STRICT;

CREATE TABLE on_call (
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    place TEXT NOT NULL,
    position INTEGER NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    PRIMARY KEY (clinic_id, place, position)
) STRICT;

CREATE TABLE patients (
    id TEXT NOT NULL PRIMARY KEY REFERENCES accounts (id),
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    zone TEXT NOT NULL,
    comms TEXT NOT NULL,
    version INTEGER NOT NULL,
    profile_sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX patients_by_clinic ON patients (clinic_id, id);

CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    patient_id TEXT NOT NULL REFERENCES patients (id),
    order_version INTEGER NOT NULL,
    doc_sealed BLOB NOT NULL,
    signed_at INTEGER NOT NULL,
    UNIQUE (patient_id, order_version)
) STRICT;

CREATE TABLE protocol_documents (
    version TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The aggregate: `version` guards the row and everything that hangs on it.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    patient_id TEXT NOT NULL REFERENCES patients (id),
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    planned_on TEXT NOT NULL,
    planned_time TEXT NOT NULL,
    zone TEXT NOT NULL,
    planned_at INTEGER NOT NULL,
    dosed_at INTEGER,
    protocol_version TEXT NOT NULL REFERENCES protocol_documents (version),
    doc_sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (patient_id, ordinal)
) STRICT;
CREATE INDEX sessions_running ON sessions (state) WHERE state IN ('dosed', 'monitoring', 'emergency');

CREATE TABLE sitters (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    doc_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX sitters_by_session ON sitters (session_id, position);

CREATE TABLE answers (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    position INTEGER NOT NULL,
    item TEXT NOT NULL,
    doc_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX answers_by_session ON answers (session_id, position);

CREATE TABLE check_ins (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    position INTEGER NOT NULL,
    duty_id TEXT NOT NULL,
    doc_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX check_ins_by_session ON check_ins (session_id, position);

CREATE TABLE readings (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    position INTEGER NOT NULL,
    doc_sealed BLOB NOT NULL
) STRICT;
CREATE INDEX readings_by_session ON readings (session_id, position);

-- `wake_at` is the truth; the document's own copy is overwritten at load, so that many rows can be woken by one statement.
CREATE TABLE duties (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    lane INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    wake_at INTEGER,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX duties_by_subject ON duties (subject_id, position);
CREATE INDEX duties_to_wake ON duties (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE cases (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    code TEXT NOT NULL,
    level TEXT NOT NULL,
    state TEXT NOT NULL,
    round INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    resolved_at INTEGER,
    doc_sealed BLOB NOT NULL,
    UNIQUE (clinic_id, code)
) STRICT;
CREATE INDEX cases_by_subject ON cases (subject_id, position);
CREATE UNIQUE INDEX cases_one_open ON cases (subject_id) WHERE state <> 'resolved';
CREATE INDEX cases_open_by_clinic ON cases (clinic_id, opened_at) WHERE state <> 'resolved';

-- A link's secret is derived from its id under a server key; nothing secret is in this table.
CREATE TABLE links (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    kind TEXT NOT NULL,
    session_id TEXT,
    sitter_id TEXT,
    case_id TEXT,
    account_id TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    used_at INTEGER
) STRICT;

CREATE TABLE refresh_tokens (
    token_hash BLOB NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    family TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_account ON refresh_tokens (account_id);

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    doc_sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- One message to one address. `not_before` and `stale_after` are on the clinical clock, `retry_at` and `lease_until` on
-- the machine clock. A result is recorded only under the fence it was claimed with.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    notice_key TEXT NOT NULL UNIQUE,
    lane INTEGER NOT NULL,
    state TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    stale_after INTEGER,
    retry_at INTEGER NOT NULL,
    subject_kind TEXT,
    subject_id TEXT,
    about_kind TEXT NOT NULL,
    about_id TEXT,
    about_round INTEGER,
    recipient_kind TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    doc_sealed BLOB NOT NULL,
    message_id TEXT NOT NULL,
    rendered_sealed BLOB,
    attempts INTEGER NOT NULL,
    last_class TEXT,
    last_code INTEGER,
    ambiguous INTEGER NOT NULL,
    lease_owner TEXT,
    lease_until INTEGER,
    fence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    why TEXT
) STRICT;
CREATE INDEX outbox_to_send ON outbox (lane, retry_at, not_before) WHERE state IN ('pending', 'leased');
CREATE INDEX outbox_by_subject ON outbox (subject_id);
CREATE INDEX outbox_finished ON outbox (finished_at) WHERE finished_at IS NOT NULL;

-- Finished messages of long ago; the same columns, so that the hot table stays small.
CREATE TABLE outbox_done (
    id TEXT NOT NULL PRIMARY KEY,
    clinic_id TEXT NOT NULL REFERENCES clinics (id),
    notice_key TEXT NOT NULL UNIQUE,
    lane INTEGER NOT NULL,
    state TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    stale_after INTEGER,
    retry_at INTEGER NOT NULL,
    subject_kind TEXT,
    subject_id TEXT,
    about_kind TEXT NOT NULL,
    about_id TEXT,
    about_round INTEGER,
    recipient_kind TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    doc_sealed BLOB NOT NULL,
    message_id TEXT NOT NULL,
    rendered_sealed BLOB,
    attempts INTEGER NOT NULL,
    last_class TEXT,
    last_code INTEGER,
    ambiguous INTEGER NOT NULL,
    lease_owner TEXT,
    lease_until INTEGER,
    fence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    why TEXT
) STRICT;
CREATE INDEX outbox_done_by_subject ON outbox_done (subject_id);

-- Subjects whose rule failed: not looked at again before `until_at` (machine clock), so that they block nobody else.
CREATE TABLE postponements (
    subject_id TEXT NOT NULL PRIMARY KEY,
    subject_kind TEXT NOT NULL,
    until_at INTEGER NOT NULL,
    failures INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    clinic_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    detail_sealed BLOB NOT NULL,
    request TEXT,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject_id, at);

CREATE TRIGGER audit_refuses_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

CREATE TABLE heartbeats (
    worker TEXT NOT NULL PRIMARY KEY,
    started_at INTEGER NOT NULL,
    clinical_at INTEGER NOT NULL,
    machine_at INTEGER NOT NULL,
    cycles INTEGER NOT NULL,
    version TEXT NOT NULL
) STRICT;

-- One row: the last verified cycle of any worker.
CREATE TABLE watch (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    clinical_at INTEGER NOT NULL,
    machine_at INTEGER NOT NULL
) STRICT;

CREATE TABLE watch_gaps (
    id TEXT NOT NULL PRIMARY KEY,
    from_at INTEGER NOT NULL UNIQUE,
    to_at INTEGER NOT NULL,
    noticed_at INTEGER NOT NULL
) STRICT;

-- One row: a known text under the sealing key, so that a wrong key is noticed at start and not at the first patient.
CREATE TABLE key_check (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    check_sealed BLOB NOT NULL
) STRICT;
