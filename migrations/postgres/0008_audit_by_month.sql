-- The audit, a partition for each month (UTC): records are kept for years, and what is past its time goes by dropping a
-- month, at once. There is no default partition: a record whose month is missing is refused, and its month is made
-- (`cedargate_audit_partition`). `instance`, `seq` and `chain` are a record's seal: whose journal it is from, its place there,
-- and the head of that journal's hash chain after it. Records of before have none.

-- Functions below look here alone, and in `pg_catalog` before it, whoever calls them.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

alter table audit_logs rename to audit_logs_whole;
alter index audit_logs_pkey rename to audit_logs_whole_pkey;
drop index audit_logs_by_tenant, audit_logs_by_time, audit_logs_by_user, audit_logs_by_resource;

-- Every decision of the gate, as it recorded it. A record outlives what it speaks of and may
-- speak of what never was, so nothing here refers to another table; `tenant_id` is who may read it.
-- What a record leaves open is null here, too: a summary of many refusals has no action.
create table audit_logs (
    id text collate "C" not null,
    phase text collate "C" not null constraint audit_logs_phase_known check (phase in ('intent', 'outcome', 'denial', 'summary')),
    timestamp timestamptz not null,
    event_type text,
    action text,
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
    instance text collate "C",
    seq bigint,
    chain text,
    constraint audit_logs_pkey primary key (id, phase, timestamp)
) partition by range (timestamp);
create unique index audit_logs_once on audit_logs (instance, seq, timestamp);
create index audit_logs_by_tenant on audit_logs (tenant_id, id, phase);
create index audit_logs_by_time on audit_logs (timestamp);
create index audit_logs_by_user on audit_logs (user_id, timestamp);
-- A patient is asked for by id.
create index audit_logs_by_resource on audit_logs (resource_id, timestamp);
create index audit_logs_by_break_glass on audit_logs (timestamp) where break_glass is not null;

-- Refuses what would change or remove records, for everybody. A trigger for each statement, on the table and on each
-- partition: it refuses before anything is looked at, and `truncate`, too.
create function cedargate_audit_refuse() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    raise exception 'audit records stay as they are: % of % is refused', lower(tg_op), tg_table_name
        using errcode = 'restrict_violation',
            hint = 'whole months go by cedargate_audit_retain, once they are older than six years';
end
$$;
revoke all on function cedargate_audit_refuse() from public;
create trigger audit_logs_stay before update or delete or truncate on audit_logs
    for each statement execute function cedargate_audit_refuse();
-- Under `session_replication_role = replica` as well.
alter table audit_logs enable always trigger audit_logs_stay;

-- Makes the partition for the month of `moment`, unless it is there; tells whether it was missing. Nothing else can be done
-- with it. Two callers at once wait for each other here; those who read and insert wait for nobody, which is why it
-- attaches a table and does not create one `partition of`.
create function cedargate_audit_partition(moment timestamptz) returns boolean
    language plpgsql security definer
    set search_path from current set timezone = 'UTC' set datestyle = 'ISO' as $$
declare
    beginning timestamptz;
    partition text;
begin
    if moment is null or moment < '0001-01-01' or moment >= '10000-01-01' then
        raise exception 'there is no month of % to keep records of', moment using errcode = 'datetime_field_overflow';
    end if;
    beginning := date_trunc('month', moment);
    partition := 'audit_logs_' || to_char(beginning, 'YYYY_MM');
    -- Before looking: who has made a partition is seen a moment before its server processes are told to
    -- look for it, and holds the lock for that moment.
    lock table audit_logs in share update exclusive mode;
    if exists (select from pg_inherits
        where inhparent = to_regclass('audit_logs') and inhrelid = to_regclass(partition)) then
        return false;
    end if;
    execute format('create table %I (like audit_logs including all)', partition);
    execute format('create trigger audit_logs_stay before update or delete or truncate on %I '
        'for each statement execute function cedargate_audit_refuse()', partition);
    execute format('alter table %I enable always trigger audit_logs_stay', partition);
    execute format('alter table audit_logs attach partition %I for values from (%L) to (%L)',
        partition, beginning, beginning + interval '1 month');
    return true;
end
$$;
revoke all on function cedargate_audit_partition(timestamptz) from public;

-- The records that there are, and who may read and add.
do $$
declare
    it record;
begin
    for it in select distinct date_trunc('month', timestamp, 'UTC') as beginning from audit_logs_whole loop
        perform cedargate_audit_partition(it.beginning);
    end loop;
    insert into audit_logs (id, phase, timestamp, event_type, action, operation, user_id, organization_id, tenant_id,
            roles, resource_type, resource_id, method, endpoint, route, decision, reason, policies, policy_digest,
            facts_age_ms, break_glass, ip_address, user_agent, status, upstream_status, success, duration_ms, details)
        select id, phase, timestamp, event_type, action, operation, user_id, organization_id, tenant_id,
            roles, resource_type, resource_id, method, endpoint, route, decision, reason, policies, policy_digest,
            facts_age_ms, break_glass, ip_address, user_agent, status, upstream_status, success, duration_ms, details
        from audit_logs_whole;
    for it in
        select case acl.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end as grantee,
            acl.privilege_type as privilege
        from pg_class c, aclexplode(c.relacl) acl
        where c.oid = to_regclass('audit_logs_whole') and acl.grantee <> c.relowner
            and acl.privilege_type in ('SELECT', 'INSERT')
    loop
        execute format('grant %s on audit_logs to %s', it.privilege, it.grantee);
        if it.privilege = 'INSERT' then
            execute format('grant execute on function cedargate_audit_partition(timestamptz) to %s', it.grantee);
        end if;
    end loop;
end
$$;
drop table audit_logs_whole;
