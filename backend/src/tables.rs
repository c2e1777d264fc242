//! The clinical tables, and the columns of each that clients may set and filter by.

use crate::resource::Resource;

pub(crate) const PATIENTS: Resource = Resource {
    table: "patients",
    writable: &[
        "medical_record_number",
        "first_name",
        "last_name",
        "date_of_birth",
        "email",
        "phone",
    ],
    filters: &["medical_record_number", "last_name", "workflow"],
    order: "created_at desc, id desc",
    dated: true,
    kept: true,
};

pub(crate) const VISITS: Resource = Resource {
    table: "visits",
    writable: &["patient_id", "practitioner_id", "status", "reason", "started_at", "ended_at"],
    filters: &["patient_id", "practitioner_id", "status"],
    order: "created_at desc, id desc",
    dated: true,
    kept: false,
};

pub(crate) const VISIT_NOTES: Resource = Resource {
    table: "visit_notes",
    writable: &["visit_id", "status", "content", "signed_at"],
    filters: &["visit_id", "status"],
    order: "created_at desc, id desc",
    dated: true,
    kept: false,
};

pub(crate) const RECORDINGS: Resource = Resource {
    table: "recordings",
    writable: &[],
    filters: &["patient_id", "visit_id"],
    order: "created_at desc, id desc",
    dated: false,
    kept: false,
};

pub(crate) const PRACTITIONERS: Resource = Resource {
    table: "practitioners",
    writable: &[
        "user_id",
        "license_number",
        "first_name",
        "last_name",
        "specialty",
        "credentials",
        "is_active",
    ],
    filters: &["license_number", "last_name"],
    order: "last_name, first_name, id",
    dated: true,
    kept: false,
};

pub(crate) const INSURANCES: Resource = Resource {
    table: "patient_insurances",
    writable: &[
        "payer_name",
        "member_number",
        "group_number",
        "priority",
        "coverage_start_date",
        "coverage_end_date",
        "is_active",
    ],
    filters: &["priority"],
    order: "created_at, id",
    dated: true,
    kept: false,
};

pub(crate) const AUTHORIZATIONS: Resource = Resource {
    table: "authorizations",
    writable: &[
        "patient_id",
        "patient_insurance_id",
        "service_code_id",
        "authorization_number",
        "status",
        "total_units",
        "used_units",
        "scheduled_units",
        "start_date",
        "end_date",
    ],
    filters: &["patient_id", "service_code_id", "status"],
    order: "end_date, id",
    dated: true,
    kept: false,
};

pub(crate) const SERVICE_CODES: Resource = Resource {
    table: "service_codes",
    writable: &[
        "code",
        "description",
        "category",
        "required_credentials",
        "unit_minutes",
        "rate_cents",
        "is_active",
    ],
    filters: &[],
    order: "code, id",
    dated: true,
    kept: false,
};

pub(crate) const APPOINTMENTS: Resource = Resource {
    table: "appointments",
    writable: &[
        "patient_id",
        "practitioner_id",
        "authorization_id",
        "service_code_id",
        "status",
        "starts_at",
        "ends_at",
        "units",
        "location",
        "recurrence",
    ],
    filters: &["patient_id", "practitioner_id", "status"],
    order: "starts_at, id",
    dated: true,
    kept: false,
};

pub(crate) const SESSIONS: Resource = Resource {
    table: "sessions",
    writable: &[
        "patient_id",
        "practitioner_id",
        "appointment_id",
        "authorization_id",
        "metrics",
        "started_at",
        "ended_at",
    ],
    filters: &[],
    order: "started_at desc, id desc",
    dated: true,
    kept: false,
};

pub(crate) const SESSION_EVENTS: Resource = Resource {
    table: "session_events",
    writable: &["event_type", "occurred_at", "data"],
    filters: &[],
    order: "occurred_at, id",
    dated: false,
    kept: false,
};

pub(crate) const CALLS: Resource = Resource {
    table: "calls",
    writable: &["phone_number"],
    filters: &["patient_id", "workflow", "status"],
    order: "started_at desc, id desc",
    dated: true,
    kept: false,
};
