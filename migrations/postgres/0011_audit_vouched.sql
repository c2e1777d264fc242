-- What vouches for the records in `audit_logs`, so that they can be verified without the journal that they come from.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- `durability` is `none` where the gate promises nothing about the record (`audit.durability: none`). `details_text` is the
-- text of `details` as the journal has it: `jsonb` forgets the order of members. Both are part of what a record's hash is over.
alter table audit_logs add column durability text;
alter table audit_logs add column details_text text;

-- What the gate says of its own life: few records, asked for by each question about a time.
create index audit_logs_by_gate on audit_logs (instance, seq) where event_type = 'gate';

-- The signed checkpoints of each journal, and the first lines of its segments, over which the hash chain runs, too. `line`
-- is the line as the journal has it. `seq` is the record that it stands behind; `number` counts the checkpoints of a journal,
-- 0 for a first line and for checkpoints of versions that did not count; `digest` is the SHA-256 of the line.
create table audit_checkpoints (
    instance text collate "C" not null,
    seq bigint not null,
    number bigint not null,
    digest text collate "C" not null,
    line text not null,
    constraint audit_checkpoints_pkey primary key (instance, seq, number, digest)
);

-- What retention has removed, until a gate has signed that in its journal: records of a journal from `first` to `last`, and
-- the hash chain after the last of them.
create table audit_retained (
    id text not null constraint audit_retained_pkey primary key,
    instance text collate "C" not null,
    first bigint not null,
    last bigint not null,
    head text,
    records bigint not null,
    cutoff timestamptz not null,
    removed_at timestamptz not null default now()
);

-- Which gate has signed which removal in its journal.
create table audit_retained_signed (
    id text not null,
    instance text collate "C" not null,
    constraint audit_retained_signed_pkey primary key (id, instance)
);

do $$
declare
    it text;
begin
    foreach it in array array['audit_checkpoints', 'audit_retained', 'audit_retained_signed'] loop
        execute format('create trigger %I before update or delete or truncate on %I '
            'for each statement execute function cedargate_audit_refuse()', it || '_stay', it);
        -- Under `session_replication_role = replica` as well.
        execute format('alter table %I enable always trigger %I', it, it || '_stay');
    end loop;
end
$$;

-- As before, and tells in `audit_retained` what went.
create or replace function cedargate_audit_retain(cutoff timestamptz, dry_run boolean default false)
    returns table (partition text, records bigint)
    language plpgsql security definer
    set search_path from current set timezone = 'UTC' set datestyle = 'ISO' set lock_timeout = '10s' as $$
declare
    youngest timestamptz := now() - interval '6 years';
    whole regclass;
begin
    if cutoff is null or cutoff > youngest then
        raise exception 'records are kept for six years (45 CFR 164.316(b)(2)(i)): the cutoff % is after %', cutoff, youngest
            using errcode = 'CG006', hint = 'nothing was dropped';
    end if;
    for whole, partition in
        select c.oid, c.relname
        from pg_inherits i join pg_class c on c.oid = i.inhrelid,
            lateral (select substring(pg_get_expr(c.relpartbound, c.oid) from ' TO \(''([^'']+)''\)')::timestamptz) bound (ends)
        where i.inhparent = to_regclass('audit_logs') and bound.ends <= cutoff
        order by bound.ends
    loop
        if not dry_run then
            -- Nothing is added between counting and dropping.
            execute format('lock table %s in share row exclusive mode', whole);
        end if;
        execute format('select count(*) from %s', whole) into records;
        if not dry_run then
            execute format('insert into audit_retained (id, instance, first, last, head, records, cutoff) '
                'select gen_random_uuid()::text, instance, min(seq), max(seq), '
                '(array_agg(chain order by seq desc))[1], count(*), $1 '
                'from %s where instance is not null and seq is not null group by instance', whole) using cutoff;
            execute format('drop table %s', whole);
        end if;
        return next;
    end loop;
end
$$;

-- As before, with what vouches for records.
create or replace function cedargate_grant_roles() returns text[]
    language plpgsql security definer set search_path from current as $$
declare
    here text;
    found text[] := '{}';
begin
    foreach here in array array['cedargate_gate', 'cedargate_auditor'] loop
        if to_regrole(here) is null then
            raise notice 'there is no role %: once it is made, run `select cedargate_grant_roles()`', here;
            continue;
        end if;
        found := found || here;
        begin
            execute format('grant connect on database %I to %I', current_database(), here);
            execute format('grant usage on schema %I to %I', current_schema(), here);
        exception when insufficient_privilege then
            raise notice 'whoever owns the database and the schema has to let % in: %', here, sqlerrm;
        end;
    end loop;
    if 'cedargate_auditor' = any (found) then
        grant select on audit_logs, audit_checkpoints, audit_retained, audit_retained_signed to cedargate_auditor;
    end if;
    if 'cedargate_gate' = any (found) then
        grant insert, select (id, phase, timestamp, instance, seq, chain) on audit_logs to cedargate_gate;
        grant insert, select on audit_checkpoints, audit_retained_signed to cedargate_gate;
        grant select on audit_retained to cedargate_gate;
        grant execute on function cedargate_audit_partition(timestamptz) to cedargate_gate;
        -- What the default mapping reads, column by column: no name, no diagnosis, no hash of a password.
        grant select (id, organization_id, status, roles, is_super_admin, enabled_features, tokens_valid_after)
            on users to cedargate_gate;
        grant select (jti, user_id, expires_at) on revoked_tokens to cedargate_gate;
        grant select (id, slug, status, deleted_at, features, workflows, group_id) on organizations to cedargate_gate;
        grant select (id, organization_id) on code_favorites, code_lists, patients, visits, visit_notes, recordings,
            practitioners, patient_insurances, authorizations, service_codes, appointments, sessions, calls, invitations
            to cedargate_gate;
        grant select (workflow) on patients to cedargate_gate;
        grant select (roles) on invitations to cedargate_gate;
    end if;
    return found;
end
$$;

-- Whoever could read or add records can do that with what vouches for them.
do $$
declare
    it record;
begin
    perform cedargate_grant_roles();
    for it in select case acl.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end as grantee,
            acl.privilege_type as privilege
        from pg_class c, aclexplode(c.relacl) acl
        where c.oid = to_regclass('audit_logs') and acl.grantee <> c.relowner
            and acl.privilege_type in ('SELECT', 'INSERT')
    loop
        execute format('grant select on audit_checkpoints, audit_retained, audit_retained_signed to %s', it.grantee);
        if it.privilege = 'INSERT' then
            execute format('grant insert on audit_checkpoints, audit_retained_signed to %s', it.grantee);
        end if;
    end loop;
end
$$;
