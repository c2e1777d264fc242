-- Tells gates what has changed, so that it holds at once. Needs migrations/postgres/0006_changes.sql, once.

-- One table holds everything: each trigger looks at the collections that it is about.
create trigger tell_cedargate_of_people after insert or update on documents
    for each row when (new.collection = 'people') execute function cedargate_changed('user', 'id');
create trigger tell_cedargate_of_lost_people after delete on documents
    for each row when (old.collection = 'people') execute function cedargate_changed('user', 'id');

create trigger tell_cedargate_of_clinics after update on documents
    for each row when (new.collection = 'clinics') execute function cedargate_changed('organization', 'id');
create trigger tell_cedargate_of_lost_clinics after delete on documents
    for each row when (old.collection = 'clinics') execute function cedargate_changed('organization', 'id');

-- Whose an object is changes seldom: other writes tell nothing. With a patient go its insurances.
create trigger tell_cedargate_of_patients after update on documents
    for each row when (new.collection = 'patients' and old.body -> 'clinic' is distinct from new.body -> 'clinic')
    execute function cedargate_changed('object Patient', 'id');
create trigger tell_cedargate_of_insurances after update on documents
    for each row when (
        new.collection = 'patients' and old.body -> 'clinic' is distinct from new.body -> 'clinic'
        or new.collection = 'insurances' and old.body -> 'patient' is distinct from new.body -> 'patient')
    execute function cedargate_changed('object Insurance');
