-- Every decision of the gate, as it recorded it. A record outlives what it speaks of and may
-- speak of what never was, so nothing here refers to another table; `tenant_id` is who may read it.
create table audit_logs (
    id text collate "C" not null,
    phase text not null constraint audit_logs_phase_known check (phase in ('intent', 'outcome', 'denial', 'summary')),
    timestamp timestamptz not null,
    event_type text not null,
    action text not null,
    operation text,
    user_id text,
    organization_id text,
    tenant_id text,
    roles text[] not null default '{}',
    resource_type text,
    resource_id text,
    method text,
    endpoint text,
    route text,
    decision text not null constraint audit_logs_decision_known check (decision in ('allow', 'deny', 'error')),
    reason text not null,
    policies text[] not null default '{}',
    policy_digest text,
    facts_age_ms double precision,
    break_glass text,
    ip_address text,
    user_agent text,
    status bigint,
    upstream_status bigint,
    success boolean,
    duration_ms double precision,
    details jsonb not null default '{}' constraint audit_logs_details_object check (jsonb_typeof(details) = 'object'),
    constraint audit_logs_pkey primary key (id, phase)
);
create index audit_logs_by_tenant on audit_logs (tenant_id, id, phase);
create index audit_logs_by_time on audit_logs (timestamp);
create index audit_logs_by_user on audit_logs (user_id, timestamp);
create index audit_logs_by_resource on audit_logs (resource_type, resource_id, timestamp);
