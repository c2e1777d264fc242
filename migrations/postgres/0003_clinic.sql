-- People who are cared for. What a workflow asks about them beyond the columns is kept flat in `details`.
-- A chart is never erased while the law wants it kept: deleting one sets `deleted_at`.
create table patients (
    id text primary key,
    organization_id text not null constraint patients_organization_exists references organizations (id),
    workflow text,
    medical_record_number text,
    first_name text,
    last_name text,
    date_of_birth date,
    email text,
    phone text,
    details jsonb not null default '{}' constraint patients_details_object check (jsonb_typeof(details) = 'object'),
    deleted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint patients_once_per_organization unique (organization_id, id),
    constraint patients_record_number_once unique (organization_id, medical_record_number),
    constraint patients_named check (workflow is not null or (first_name is not null and last_name is not null))
);
create index patients_by_workflow on patients (organization_id, workflow, created_at);
create index patients_by_time on patients (organization_id, created_at);

-- Those who treat. A licence may be known to several organisations, to each of them once.
create table practitioners (
    id text primary key,
    organization_id text not null constraint practitioners_organization_exists references organizations (id),
    user_id text,
    license_number text not null,
    first_name text not null,
    last_name text not null,
    specialty text,
    credentials text[] not null default '{}',
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint practitioners_once_per_organization unique (organization_id, id),
    constraint practitioners_license_once unique (organization_id, license_number),
    constraint practitioners_user_same_tenant foreign key (organization_id, user_id) references users (organization_id, id)
);
create index practitioners_by_user on practitioners (organization_id, user_id);
create index practitioners_by_time on practitioners (organization_id, created_at);

-- Encounters of a patient with the organisation.
create table visits (
    id text primary key,
    organization_id text not null constraint visits_organization_exists references organizations (id),
    patient_id text not null,
    practitioner_id text,
    status text not null default 'SCHEDULED' constraint visits_status_known check (status in ('SCHEDULED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
    reason text,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint visits_once_per_organization unique (organization_id, id),
    constraint visits_end_after_start check (ended_at >= started_at),
    constraint visits_patient_same_tenant foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint visits_practitioner_same_tenant foreign key (organization_id, practitioner_id) references practitioners (organization_id, id)
);
create index visits_by_patient on visits (organization_id, patient_id);
create index visits_by_practitioner on visits (organization_id, practitioner_id);
create index visits_by_time on visits (organization_id, created_at);
create index visits_by_status on visits (organization_id, status, started_at);

-- What clinicians write down about a visit.
create table visit_notes (
    id text primary key,
    organization_id text not null constraint visit_notes_organization_exists references organizations (id),
    visit_id text not null,
    author_id text constraint visit_notes_author_exists references users (id),
    status text not null default 'DRAFT' constraint visit_notes_status_known check (status in ('DRAFT', 'SIGNED')),
    content text not null,
    signed_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint visit_notes_once_per_organization unique (organization_id, id),
    constraint visit_notes_visit_same_tenant foreign key (organization_id, visit_id) references visits (organization_id, id)
);
create index visit_notes_by_visit on visit_notes (organization_id, visit_id);
create index visit_notes_by_author on visit_notes (author_id);
create index visit_notes_by_time on visit_notes (organization_id, created_at);

-- Sound recorded during visits. The sound itself lies in a store of its own under `storage_key`.
create table recordings (
    id text primary key,
    organization_id text not null constraint recordings_organization_exists references organizations (id),
    patient_id text not null,
    visit_id text,
    storage_key text not null,
    media_type text not null default 'audio/ogg',
    duration_seconds bigint constraint recordings_duration_positive check (duration_seconds >= 0),
    transcript jsonb not null default '{}' constraint recordings_transcript_object check (jsonb_typeof(transcript) = 'object'),
    created_at timestamptz not null default now(),
    constraint recordings_once_per_organization unique (organization_id, id),
    constraint recordings_patient_same_tenant foreign key (organization_id, patient_id) references patients (organization_id, id),
    constraint recordings_visit_same_tenant foreign key (organization_id, visit_id) references visits (organization_id, id)
);
create index recordings_by_patient on recordings (organization_id, patient_id);
create index recordings_by_visit on recordings (organization_id, visit_id);

-- Who pays for a patient, and under which number.
create table patient_insurances (
    id text primary key,
    organization_id text not null constraint patient_insurances_organization_exists references organizations (id),
    patient_id text not null,
    payer_name text not null,
    member_number text not null,
    group_number text,
    priority text not null default 'PRIMARY' constraint patient_insurances_priority_known check (priority in ('PRIMARY', 'SECONDARY', 'TERTIARY')),
    coverage_start_date date,
    coverage_end_date date,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint patient_insurances_once_per_organization unique (organization_id, id),
    constraint patient_insurances_end_after_start check (coverage_end_date >= coverage_start_date),
    constraint patient_insurances_patient_same_tenant foreign key (organization_id, patient_id) references patients (organization_id, id)
);
create index patient_insurances_by_patient on patient_insurances (organization_id, patient_id);

-- Workflow calls that were made to a patient's insurer or to the patient.
create table calls (
    id text primary key,
    organization_id text not null constraint calls_organization_exists references organizations (id),
    patient_id text not null,
    workflow text not null,
    status text not null default 'IN_PROGRESS' constraint calls_status_known check (status in ('QUEUED', 'IN_PROGRESS', 'COMPLETED', 'FAILED')),
    phone_number text,
    started_by text constraint calls_starter_exists references users (id),
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    duration_seconds bigint constraint calls_duration_positive check (duration_seconds >= 0),
    transcript jsonb not null default '{}' constraint calls_transcript_object check (jsonb_typeof(transcript) = 'object'),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint calls_once_per_organization unique (organization_id, id),
    constraint calls_end_after_start check (ended_at >= started_at),
    constraint calls_patient_same_tenant foreign key (organization_id, patient_id) references patients (organization_id, id)
);
create index calls_by_patient on calls (organization_id, patient_id);
create index calls_by_status on calls (organization_id, status, started_at);
create index calls_by_time on calls (organization_id, created_at);
create index calls_by_starter on calls (started_by);
