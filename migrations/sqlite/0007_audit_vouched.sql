-- What vouches for the records in `audit_logs`, so that they can be verified without the journal that they come from.

-- `none` where the gate promises nothing about the record (`audit.durability: none`): part of what its hash is over.
alter table audit_logs add column durability text;

-- What the gate says of its own life: few records, asked for by each question about a time.
create index audit_logs_by_gate on audit_logs (instance, seq) where event_type = 'gate';

-- The signed checkpoints of each journal, and the first lines of its segments, over which the hash chain runs, too. `line`
-- is the line as the journal has it. `seq` is the record that it stands behind; `number` counts the checkpoints of a journal,
-- 0 for a first line and for checkpoints of versions that did not count; `digest` is the SHA-256 of the line.
create table audit_checkpoints (
    instance text not null,
    seq integer not null,
    number integer not null,
    digest text not null,
    line text not null,
    constraint audit_checkpoints_pkey primary key (instance, seq, number, digest)
) strict;
create trigger audit_checkpoints_stay before update on audit_checkpoints begin
    select raise(abort, 'audit checkpoints stay as they are: an update is refused');
end;
create trigger audit_checkpoints_stay_for_ever before delete on audit_checkpoints begin
    select raise(abort, 'audit checkpoints stay: a delete is refused');
end;
create trigger audit_checkpoints_stay_once before insert on audit_checkpoints begin
    select raise(ignore) from audit_checkpoints
        where instance = new.instance and seq = new.seq and number = new.number and digest = new.digest;
end;

-- What retention has removed, until a gate has signed that in its journal: records of a journal from `first` to `last`, and
-- the hash chain after the last of them.
create table audit_retained (
    id text not null constraint audit_retained_pkey primary key,
    instance text not null,
    first integer not null,
    last integer not null,
    head text,
    records integer not null,
    cutoff text not null,
    removed_at text not null
) strict;
create trigger audit_retained_stay before update on audit_retained begin
    select raise(abort, 'what was removed stays told: an update is refused');
end;
create trigger audit_retained_stay_for_ever before delete on audit_retained begin
    select raise(abort, 'what was removed stays told: a delete is refused');
end;

-- Which gate has signed which removal in its journal.
create table audit_retained_signed (
    id text not null,
    instance text not null,
    constraint audit_retained_signed_pkey primary key (id, instance)
) strict;
