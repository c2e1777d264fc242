-- What tells gates that a fact has changed, so that they drop it at once and not only when its time is up. This file alone
-- serves any database: `psql yours -f 0006_changes.sql`, and then two lines for each table that facts are read from:
--
--   create trigger tell_cedargate after insert or update or delete on staff
--       for each row execute function cedargate_changed('user', 'staff_id');
--
-- The first argument says what a row is about (`user`, `organization`, `object Patient`), the second which column holds the
-- id. Without a second, and for each statement, it may be any: of those objects (`object Patient`), or anything (`all`).
-- The channel is `cedargate_facts`.
--
-- A notification takes a lock that all committing transactions share. Let triggers fire only where it matters:
-- `after update of owner on files for each row when (old.owner is distinct from new.owner)`.
create function cedargate_changed() returns trigger language plpgsql as $$
declare
    what text := tg_argv[0];
    key text := tg_argv[1];
    ids text[] := '{}';
    id text;
    message text;
begin
    if tg_level = 'STATEMENT' or key is null then
        perform pg_catalog.pg_notify('cedargate_facts', what);
        return null;
    end if;
    if tg_op <> 'INSERT' then
        ids := ids || (pg_catalog.to_jsonb(old) ->> key);
    end if;
    if tg_op <> 'DELETE' then
        ids := ids || (pg_catalog.to_jsonb(new) ->> key);
    end if;
    foreach id in array ids loop
        message := what || ' ' || id;
        -- One that is not known or does not fit: it may be any. A write never fails because of this.
        if message is null or pg_catalog.octet_length(message) > 7000 then
            message := 'all';
        end if;
        -- Of equal notifications in one transaction only one is sent.
        perform pg_catalog.pg_notify('cedargate_facts', message);
    end loop;
    return null;
end
$$;
