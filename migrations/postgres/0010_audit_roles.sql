-- Two roles to be a member of, so that nobody has to sign in as the owner of the tables:
--
--   create role gate_1 login in role cedargate_gate;        -- a gate: reads its facts, adds records
--   create role ann login in role cedargate_auditor;        -- an auditor: reads records
--
-- Roles are the whole cluster's. Another database may have made them, or be making them now, and whoever migrates may not
-- be allowed to: then an administrator makes them, and `select cedargate_grant_roles()` does the rest.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Gives the two roles what they need in this database, those of them that there are; gives their names.
create function cedargate_grant_roles() returns text[]
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
        grant select on audit_logs to cedargate_auditor;
    end if;
    if 'cedargate_gate' = any (found) then
        grant insert, select (id, phase, timestamp, instance, seq, chain) on audit_logs to cedargate_gate;
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
revoke all on function cedargate_grant_roles() from public;

do $$
declare
    missing text;
begin
    foreach missing in array array['cedargate_gate', 'cedargate_auditor'] loop
        continue when to_regrole(missing) is not null;
        begin
            execute format('create role %I nologin', missing);
        exception
            -- Another database was faster; a migration that is under way there was waited for.
            when duplicate_object or unique_violation then null;
            when insufficient_privilege then
                raise notice 'the role % is for an administrator to make: %', missing, sqlerrm;
        end;
    end loop;
    perform cedargate_grant_roles();
end
$$;
