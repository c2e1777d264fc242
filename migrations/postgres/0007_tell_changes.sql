-- Which writes to these tables tell gates that facts have changed (`cedargate_changed`): those that change what decides.

-- A new user may have been asked for before.
create trigger users_tell after insert or delete on users
    for each row execute function cedargate_changed('user', 'id');
create trigger users_tell_changes after update on users
    for each row when (
        (old.id, old.organization_id, old.roles, old.enabled_features, old.status, old.is_super_admin, old.tokens_valid_after)
        is distinct from
        (new.id, new.organization_id, new.roles, new.enabled_features, new.status, new.is_super_admin, new.tokens_valid_after))
    execute function cedargate_changed('user', 'id');
create trigger users_tell_truncation after truncate on users
    for each statement execute function cedargate_changed('all');

create trigger organizations_tell after delete on organizations
    for each row execute function cedargate_changed('organization', 'id');
create trigger organizations_tell_changes after update on organizations
    for each row when (
        (old.id, old.slug, old.status, old.group_id, old.features, old.workflows, old.deleted_at)
        is distinct from
        (new.id, new.slug, new.status, new.group_id, new.features, new.workflows, new.deleted_at))
    execute function cedargate_changed('organization', 'id');
create trigger organizations_tell_truncation after truncate on organizations
    for each statement execute function cedargate_changed('all');

-- Tokens that are revoked are facts about their user. That one has expired changes nothing.
create trigger revoked_tokens_tell after insert on revoked_tokens
    for each row execute function cedargate_changed('user', 'user_id');

-- Objects: whose they are, and for two types what else decides. An object that is gone and comes back may be
-- somebody else's. One that is new was never there to be remembered.
do $$
declare
    it record;
    -- What decides besides the owner.
    more text;
    old_values text;
    new_values text;
begin
    for it in select * from (values
        ('code_favorites', 'CodeFavorite', null), ('code_lists', 'CodeList', null), ('patients', 'Patient', 'workflow'),
        ('visits', 'Visit', null), ('visit_notes', 'VisitNote', null), ('recordings', 'Recording', null),
        ('practitioners', 'Practitioner', null), ('patient_insurances', 'PatientInsurance', null),
        ('authorizations', 'Authorization', null), ('service_codes', 'ServiceCode', null),
        ('appointments', 'Appointment', null), ('sessions', 'Session', null), ('calls', 'Call', null),
        ('invitations', 'Invitation', 'roles')) as objects (name, type, other)
    loop
        more := coalesce(', ' || it.other, '');
        old_values := 'old.id, old.organization_id' || coalesce(', old.' || it.other, '');
        new_values := 'new.id, new.organization_id' || coalesce(', new.' || it.other, '');
        execute format(
            'create trigger %I after delete on %I for each row execute function cedargate_changed(%L, %L)',
            it.name || '_tell', it.name, 'object ' || it.type, 'id');
        execute format(
            'create trigger %I after update of id, organization_id%s on %I for each row when ((%s) is distinct from (%s)) '
            'execute function cedargate_changed(%L, %L)',
            it.name || '_tell_changes', more, it.name, old_values, new_values, 'object ' || it.type, 'id');
        execute format(
            'create trigger %I after truncate on %I for each statement execute function cedargate_changed(%L)',
            it.name || '_tell_truncation', it.name, 'object ' || it.type);
    end loop;
end
$$;
