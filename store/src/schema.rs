//! The tables as Diesel sees them: the same on both engines. Written from `migrations/`; a test compares those two.
//!
//! Instants are whole milliseconds since 1970, UTC. Columns that end in `_sealed` are opened in [`crate::seal`] only.

diesel::table! {
    clinics (id) {
        id -> Text,
        slug -> Text,
        name -> Text,
        zone -> Text,
        phone -> Text,
        created_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    accounts (id) {
        id -> Text,
        clinic_id -> Text,
        kind -> Text,
        email_index -> Binary,
        email_sealed -> Binary,
        profile_sealed -> Binary,
        roles -> Text,
        password_hash -> Nullable<Text>,
        pin_hash -> Nullable<Text>,
        active -> Bool,
        login_failures -> Integer,
        login_locked_until -> Nullable<BigInt>,
        pin_failures -> Integer,
        pin_locked_until -> Nullable<BigInt>,
        created_at -> BigInt,
        reached_at -> Nullable<BigInt>,
        test_asked_at -> Nullable<BigInt>,
        test_told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    on_call (clinic_id, place, position) {
        clinic_id -> Text,
        place -> Text,
        position -> Integer,
        account_id -> Text,
    }
}

diesel::table! {
    rosters (clinic_id) {
        clinic_id -> Text,
        version -> BigInt,
        doc_sealed -> Binary,
        told -> Text,
        updated_at -> BigInt,
    }
}

diesel::table! {
    patients (id) {
        id -> Text,
        clinic_id -> Text,
        zone -> Text,
        comms -> Text,
        version -> BigInt,
        profile_sealed -> Binary,
        created_at -> BigInt,
        mail_declined -> Bool,
    }
}

diesel::table! {
    orders (id) {
        id -> Text,
        clinic_id -> Text,
        patient_id -> Text,
        order_version -> Integer,
        doc_sealed -> Binary,
        signed_at -> BigInt,
    }
}

diesel::table! {
    protocol_documents (version) {
        version -> Text,
        body -> Text,
        sha256 -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    protocol_versions (version) {
        version -> Text,
        clinic_id -> Text,
        number -> Integer,
        doc_sealed -> Binary,
        in_force_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        clinic_id -> Text,
        patient_id -> Text,
        ordinal -> Integer,
        kind -> Text,
        state -> Text,
        version -> BigInt,
        planned_on -> Text,
        planned_time -> Text,
        zone -> Text,
        planned_at -> BigInt,
        dosed_at -> Nullable<BigInt>,
        protocol_version -> Text,
        doc_sealed -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    sitters (id) {
        id -> Text,
        clinic_id -> Text,
        session_id -> Text,
        position -> Integer,
        state -> Text,
        doc_sealed -> Binary,
    }
}

diesel::table! {
    answers (id) {
        id -> Text,
        clinic_id -> Text,
        session_id -> Text,
        position -> Integer,
        item -> Text,
        doc_sealed -> Binary,
    }
}

diesel::table! {
    check_ins (id) {
        id -> Text,
        clinic_id -> Text,
        session_id -> Text,
        position -> Integer,
        duty_id -> Text,
        doc_sealed -> Binary,
    }
}

diesel::table! {
    readings (id) {
        id -> Text,
        clinic_id -> Text,
        session_id -> Text,
        position -> Integer,
        doc_sealed -> Binary,
    }
}

diesel::table! {
    duties (id) {
        id -> Text,
        clinic_id -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        position -> Integer,
        kind -> Text,
        lane -> Integer,
        state -> Text,
        due_at -> BigInt,
        wake_at -> Nullable<BigInt>,
        doc -> Text,
    }
}

diesel::table! {
    cases (id) {
        id -> Text,
        clinic_id -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        position -> Integer,
        code -> Text,
        level -> Text,
        state -> Text,
        round -> Integer,
        opened_at -> BigInt,
        resolved_at -> Nullable<BigInt>,
        doc_sealed -> Binary,
    }
}

diesel::table! {
    links (id) {
        id -> Text,
        clinic_id -> Text,
        kind -> Text,
        session_id -> Nullable<Text>,
        sitter_id -> Nullable<Text>,
        case_id -> Nullable<Text>,
        account_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    refresh_tokens (token_hash) {
        token_hash -> Binary,
        clinic_id -> Text,
        account_id -> Text,
        family -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    idempotency (caller, key) {
        caller -> Text,
        key -> Text,
        request_hash -> Binary,
        doc_sealed -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    outbox (id) {
        id -> Text,
        clinic_id -> Text,
        notice_key -> Text,
        lane -> Integer,
        state -> Text,
        not_before -> BigInt,
        stale_after -> Nullable<BigInt>,
        retry_at -> BigInt,
        subject_kind -> Nullable<Text>,
        subject_id -> Nullable<Text>,
        about_kind -> Text,
        about_id -> Nullable<Text>,
        about_round -> Nullable<Integer>,
        recipient_kind -> Text,
        recipient_id -> Text,
        doc_sealed -> Binary,
        message_id -> Text,
        rendered_sealed -> Nullable<Binary>,
        attempts -> Integer,
        last_class -> Nullable<Text>,
        last_code -> Nullable<Integer>,
        ambiguous -> Bool,
        lease_owner -> Nullable<Text>,
        lease_until -> Nullable<BigInt>,
        fence -> BigInt,
        created_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        why -> Nullable<Text>,
    }
}

diesel::table! {
    outbox_done (id) {
        id -> Text,
        clinic_id -> Text,
        notice_key -> Text,
        lane -> Integer,
        state -> Text,
        not_before -> BigInt,
        stale_after -> Nullable<BigInt>,
        retry_at -> BigInt,
        subject_kind -> Nullable<Text>,
        subject_id -> Nullable<Text>,
        about_kind -> Text,
        about_id -> Nullable<Text>,
        about_round -> Nullable<Integer>,
        recipient_kind -> Text,
        recipient_id -> Text,
        doc_sealed -> Binary,
        message_id -> Text,
        rendered_sealed -> Nullable<Binary>,
        attempts -> Integer,
        last_class -> Nullable<Text>,
        last_code -> Nullable<Integer>,
        ambiguous -> Bool,
        lease_owner -> Nullable<Text>,
        lease_until -> Nullable<BigInt>,
        fence -> BigInt,
        created_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        why -> Nullable<Text>,
    }
}

diesel::table! {
    refused_addresses (clinic_id, address_index) {
        clinic_id -> Text,
        address_index -> Binary,
        refused_at -> BigInt,
        last_refused_at -> BigInt,
        refusals -> Integer,
        recipient_kind -> Text,
        recipient_id -> Text,
        reply_code -> Nullable<Integer>,
        class -> Text,
        notice_id -> Text,
        told_at -> Nullable<BigInt>,
        cleared_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    postponements (subject_id) {
        subject_id -> Text,
        subject_kind -> Text,
        until_at -> BigInt,
        failures -> Integer,
    }
}

diesel::table! {
    audit (chain, seq) {
        chain -> Text,
        seq -> BigInt,
        clinic_id -> Text,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        detail_sealed -> Binary,
        request -> Nullable<Text>,
        previous_hash -> Binary,
        hash -> Binary,
    }
}

diesel::table! {
    heartbeats (worker) {
        worker -> Text,
        started_at -> BigInt,
        clinical_at -> BigInt,
        machine_at -> BigInt,
        cycles -> BigInt,
        version -> Text,
    }
}

diesel::table! {
    watch (id) {
        id -> Integer,
        clinical_at -> BigInt,
        machine_at -> BigInt,
    }
}

diesel::table! {
    watch_gaps (id) {
        id -> Text,
        from_at -> BigInt,
        to_at -> BigInt,
        noticed_at -> BigInt,
    }
}

diesel::table! {
    key_check (id) {
        id -> Integer,
        check_sealed -> Binary,
    }
}

diesel::table! {
    watch_findings (part) {
        part -> Text,
        found -> BigInt,
        found_at -> BigInt,
    }
}

diesel::table! {
    watch_told (clinic_id) {
        clinic_id -> Text,
        told_at -> BigInt,
    }
}

diesel::table! {
    standby (id) {
        id -> Integer,
        clinical_at -> BigInt,
        machine_at -> BigInt,
    }
}

diesel::table! {
    patient_documents (id) {
        id -> Text,
        clinic_id -> Text,
        patient_id -> Text,
        kind -> Text,
        position -> Integer,
        doc_sealed -> Binary,
    }
}

diesel::table! {
    housekeeping (job) {
        job -> Text,
        ran_at -> BigInt,
    }
}

diesel::table! {
    /// A view: the rows of patients' and sessions' records.
    record_rows (subject_id, part, id) {
        subject_id -> Text,
        part -> Text,
        id -> Text,
        position -> Integer,
        number -> Nullable<BigInt>,
        at -> Nullable<BigInt>,
        kind -> Nullable<Text>,
        level -> Nullable<Text>,
        doc -> Nullable<Text>,
        sealed -> Nullable<Binary>,
    }
}

diesel::table! {
    /// A view: what every record of a clinic knows besides its subject.
    clinic_rows (clinic_id, part, id) {
        clinic_id -> Text,
        part -> Text,
        id -> Text,
        position -> Integer,
        number -> Nullable<BigInt>,
        slug -> Nullable<Text>,
        name -> Nullable<Text>,
        zone -> Nullable<Text>,
        phone -> Nullable<Text>,
        place -> Nullable<Text>,
        from_at -> Nullable<BigInt>,
        to_at -> Nullable<BigInt>,
        sealed -> Nullable<Binary>,
        more_sealed -> Nullable<Binary>,
    }
}

diesel::table! {
    /// A view: all that a kept record is compared with. One row for each patient.
    record_stamps (patient_id) {
        patient_id -> Text,
        patient_version -> BigInt,
        session_versions -> BigInt,
        clinic_stamp -> BigInt,
        common_stamp -> BigInt,
        watched_at -> Nullable<BigInt>,
        server -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    clinics,
    accounts,
    on_call,
    rosters,
    patients,
    orders,
    protocol_documents,
    protocol_versions,
    sessions,
    sitters,
    answers,
    check_ins,
    readings,
    duties,
    cases,
    links,
    refresh_tokens,
    idempotency,
    outbox,
    outbox_done,
    refused_addresses,
    postponements,
    audit,
    heartbeats,
    watch,
    watch_gaps,
    key_check,
    watch_findings,
    watch_told,
    standby,
    housekeeping,
    patient_documents,
);
