-- The audit with a record's seal: `instance` (whose journal it is from), `seq` (its place there) and `chain` (the head of
-- that journal's hash chain after it); records of before have none. And records that stay: they cannot be changed, and
-- not deleted before six years are over.
alter table audit_logs rename to audit_logs_before;
drop index audit_logs_by_tenant;
drop index audit_logs_by_time;
drop index audit_logs_by_user;
drop index audit_logs_by_resource;

-- Every decision of the gate, as it recorded it. A record outlives what it speaks of and may
-- speak of what never was, so nothing here refers to another table; `tenant_id` is who may read it.
-- What a record leaves open is null here, too: a summary of many refusals has no action.
create table audit_logs (
    id text not null,
    phase text not null constraint audit_logs_phase_known check (phase in ('intent', 'outcome', 'denial', 'summary')),
    timestamp text not null,
    event_type text,
    action text,
    operation text,
    user_id text,
    organization_id text,
    tenant_id text,
    roles text not null default '[]' constraint audit_logs_roles_array check (json_valid(roles) and json_type(roles) = 'array'),
    resource_type text,
    resource_id text,
    method text,
    endpoint text,
    route text,
    decision text not null constraint audit_logs_decision_known check (decision in ('allow', 'deny', 'error')),
    reason text not null,
    policies text not null default '[]' constraint audit_logs_policies_array check (json_valid(policies) and json_type(policies) = 'array'),
    policy_digest text,
    facts_age_ms real,
    break_glass text,
    ip_address text,
    user_agent text,
    status integer,
    upstream_status integer,
    success integer constraint audit_logs_success_boolean check (success in (0, 1)),
    duration_ms real,
    details text not null default '{}' constraint audit_logs_details_object check (json_valid(details) and json_type(details) = 'object'),
    instance text,
    seq integer,
    chain text,
    constraint audit_logs_pkey primary key (id, phase)
) strict;
insert into audit_logs select *, null, null, null from audit_logs_before;
drop table audit_logs_before;

create unique index audit_logs_once on audit_logs (instance, seq);
create index audit_logs_by_tenant on audit_logs (tenant_id, id, phase);
create index audit_logs_by_time on audit_logs (timestamp);
create index audit_logs_by_user on audit_logs (user_id, timestamp);
-- A patient is asked for by id.
create index audit_logs_by_resource on audit_logs (resource_id, timestamp);
create index audit_logs_by_break_glass on audit_logs (timestamp) where break_glass is not null;

create trigger audit_logs_stay before update on audit_logs begin
    select raise(abort, 'audit records stay as they are: an update is refused');
end;

-- Documentation required by HIPAA is kept for six years (45 CFR 164.316(b)(2)(i)). A record that cannot be shown to be older
-- stays: `floor` is unknown before SQLite 3.46, and the answer is then null.
create trigger audit_logs_stay_six_years before delete on audit_logs
when (old.timestamp < strftime('%Y-%m-%dT%H:%M:%f', 'now', '-6 years', 'floor')) is not true begin
    select raise(abort, 'audit records are kept for six years (45 CFR 164.316(b)(2)(i)): a delete is refused');
end;

-- `insert or replace` deletes without asking those triggers. A record that is there already stays as it is.
create trigger audit_logs_stay_once before insert on audit_logs begin
    select raise(ignore) from audit_logs where id = new.id and phase = new.phase;
    select raise(abort, 'another record has this place in its journal') from audit_logs
        where instance = new.instance and seq = new.seq;
end;
