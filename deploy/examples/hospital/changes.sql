-- Tells gates what has changed, so that it holds at once. Needs migrations/postgres/0006_changes.sql, once.

create trigger tell_cedargate after insert or update or delete on staff
    for each row execute function cedargate_changed('user', 'id');
create trigger tell_cedargate after insert or update or delete on memberships
    for each row execute function cedargate_changed('user', 'staff_id');
create trigger tell_cedargate after insert or update or delete on staff_tools
    for each row execute function cedargate_changed('user', 'staff_id');

create trigger tell_cedargate after insert or update or delete on clinics
    for each row execute function cedargate_changed('organization', 'id');
create trigger tell_cedargate after insert or update or delete on clinic_tools
    for each row execute function cedargate_changed('organization', 'clinic_id');

-- Whose an object is changes seldom, and nothing else about it matters: other writes tell nothing.
create trigger tell_cedargate after update on patients
    for each row when (old.clinic_id is distinct from new.clinic_id)
    execute function cedargate_changed('object Patient', 'id');
-- With a patient go its insurances, whichever they are.
create trigger tell_cedargate_of_insurances after update on patients
    for each row when (old.clinic_id is distinct from new.clinic_id)
    execute function cedargate_changed('object Insurance');
create trigger tell_cedargate after update on insurances
    for each row when (old.patient_id is distinct from new.patient_id)
    execute function cedargate_changed('object Insurance', 'id');
