-- What can be billed. Codes without an organisation are the platform's, and everybody may use them:
-- `owner` says `*` for those, so that a reference can be held to "ours or the platform's".
create table service_codes (
    id text primary key,
    organization_id text constraint service_codes_organization_exists references organizations (id),
    owner text not null generated always as (coalesce(organization_id, '*')) stored,
    code text not null,
    description text not null,
    category text not null default 'TREATMENT' constraint service_codes_category_known check (category in ('ASSESSMENT', 'TREATMENT', 'SUPERVISION', 'FAMILY_GUIDANCE')),
    required_credentials text not null default '[]' constraint service_codes_required_credentials_array check (json_valid(required_credentials) and json_type(required_credentials) = 'array'),
    unit_minutes integer not null default 15 constraint service_codes_unit_positive check (unit_minutes > 0),
    rate_cents integer constraint service_codes_rate_positive check (rate_cents >= 0),
    is_active integer not null default 1 constraint service_codes_is_active_boolean check (is_active in (0, 1)),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint service_codes_once_per_owner unique (owner, id),
    constraint service_codes_code_once unique (owner, code)
) strict;
create index service_codes_by_organization on service_codes (organization_id);

-- How much of a service a payer has agreed to. Units used and units promised never exceed it.
create table authorizations (
    id text primary key,
    organization_id text not null constraint authorizations_organization_exists references organizations (id),
    patient_id text not null,
    patient_insurance_id text,
    service_code_id text not null,
    service_code_owner text not null constraint authorizations_code_own_or_platform check (service_code_owner in ('*', organization_id)),
    authorization_number text,
    status text not null default 'PENDING' constraint authorizations_status_known check (status in ('PENDING', 'ACTIVE', 'EXPIRED', 'EXHAUSTED', 'CANCELLED')),
    total_units integer not null,
    used_units integer not null default 0,
    scheduled_units integer not null default 0,
    start_date text not null,
    end_date text not null,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint authorizations_once_per_organization unique (organization_id, id),
    constraint authorizations_number_once unique (organization_id, authorization_number),
    constraint authorizations_used_not_negative check (used_units >= 0),
    constraint authorizations_scheduled_not_negative check (scheduled_units >= 0),
    constraint authorizations_units_suffice check (used_units + scheduled_units <= total_units),
    constraint authorizations_end_after_start check (end_date >= start_date),
    constraint authorizations_patient_same_tenant foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint authorizations_insurance_same_tenant foreign key (organization_id, patient_insurance_id) references patient_insurances (organization_id, id),
    constraint authorizations_code_exists foreign key (service_code_owner, service_code_id) references service_codes (owner, id)
) strict;
create index authorizations_by_patient on authorizations (organization_id, patient_id);
create index authorizations_by_insurance on authorizations (organization_id, patient_insurance_id);
create index authorizations_by_code on authorizations (service_code_owner, service_code_id);
create index authorizations_by_time on authorizations (organization_id, created_at);
create index authorizations_by_end on authorizations (organization_id, status, end_date);

-- Time that a practitioner has promised to a patient, with the units it will use.
create table appointments (
    id text primary key,
    organization_id text not null constraint appointments_organization_exists references organizations (id),
    patient_id text not null,
    practitioner_id text not null,
    authorization_id text,
    service_code_id text,
    service_code_owner text constraint appointments_code_own_or_platform check (service_code_owner in ('*', organization_id)),
    status text not null default 'SCHEDULED' constraint appointments_status_known check (status in ('SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'NO_SHOW')),
    starts_at text not null,
    ends_at text not null,
    units integer not null default 0 constraint appointments_units_not_negative check (units >= 0),
    location text,
    recurrence text not null default '{}' constraint appointments_recurrence_object check (json_valid(recurrence) and json_type(recurrence) = 'object'),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint appointments_once_per_organization unique (organization_id, id),
    constraint appointments_end_after_start check (ends_at > starts_at),
    constraint appointments_code_owned check ((service_code_id is null) = (service_code_owner is null)),
    constraint appointments_patient_same_tenant foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint appointments_practitioner_same_tenant foreign key (organization_id, practitioner_id) references practitioners (organization_id, id),
    constraint appointments_authorization_same_tenant foreign key (organization_id, authorization_id) references authorizations (organization_id, id),
    constraint appointments_code_exists foreign key (service_code_owner, service_code_id) references service_codes (owner, id)
) strict;
create index appointments_by_patient on appointments (organization_id, patient_id);
create index appointments_by_practitioner on appointments (organization_id, practitioner_id, starts_at, ends_at);
create index appointments_by_authorization on appointments (organization_id, authorization_id);
create index appointments_by_code on appointments (service_code_owner, service_code_id);
create index appointments_by_time on appointments (organization_id, starts_at, ends_at);
create index appointments_by_status on appointments (organization_id, status, starts_at);

-- Therapy as it happens: what is measured from start to completion.
create table sessions (
    id text primary key,
    organization_id text not null constraint sessions_organization_exists references organizations (id),
    patient_id text not null,
    practitioner_id text,
    appointment_id text,
    authorization_id text,
    status text not null default 'IN_PROGRESS' constraint sessions_status_known check (status in ('IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
    started_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    ended_at text,
    metrics text not null default '{}' constraint sessions_metrics_object check (json_valid(metrics) and json_type(metrics) = 'object'),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint sessions_once_per_organization unique (organization_id, id),
    constraint sessions_end_after_start check (ended_at >= started_at),
    constraint sessions_patient_same_tenant foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint sessions_practitioner_same_tenant foreign key (organization_id, practitioner_id) references practitioners (organization_id, id),
    constraint sessions_appointment_same_tenant foreign key (organization_id, appointment_id) references appointments (organization_id, id),
    constraint sessions_authorization_same_tenant foreign key (organization_id, authorization_id) references authorizations (organization_id, id)
) strict;
create index sessions_by_patient on sessions (organization_id, patient_id);
create index sessions_by_practitioner on sessions (organization_id, practitioner_id);
create index sessions_by_appointment on sessions (organization_id, appointment_id);
create index sessions_by_authorization on sessions (organization_id, authorization_id);
create index sessions_by_status on sessions (organization_id, status, started_at);

-- Behaviour seen during a session, one row each time.
create table session_events (
    id text primary key,
    organization_id text not null constraint session_events_organization_exists references organizations (id),
    session_id text not null,
    event_type text not null,
    occurred_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    data text not null default '{}' constraint session_events_data_object check (json_valid(data) and json_type(data) = 'object'),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint session_events_once_per_organization unique (organization_id, id),
    constraint session_events_session_same_tenant foreign key (organization_id, session_id) references sessions (organization_id, id)
) strict;
create index session_events_by_session on session_events (organization_id, session_id, occurred_at);

-- The one note of a session: drafted by a machine, answered for by a person.
create table session_notes (
    id text primary key,
    organization_id text not null constraint session_notes_organization_exists references organizations (id),
    session_id text not null,
    source text not null default 'AI' constraint session_notes_source_known check (source in ('AI', 'HUMAN')),
    content text not null,
    edited_by text constraint session_notes_editor_exists references users (id),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint session_notes_once_per_organization unique (organization_id, id),
    constraint session_notes_once_per_session unique (organization_id, session_id),
    constraint session_notes_session_same_tenant foreign key (organization_id, session_id) references sessions (organization_id, id)
) strict;
create index session_notes_by_editor on session_notes (edited_by);
