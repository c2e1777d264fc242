-- Retention: the one way that records go.
select set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Drops the partitions that lie wholly before `cutoff`; gives each with how many records it had, the oldest first. With
-- `dry_run` it only says which. A partition that holds a younger record, or has no end, stays whole.
--
-- Documentation required by HIPAA is kept for six years (45 CFR 164.316(b)(2)(i)): an earlier cutoff than that, or nothing
-- at all (SQLSTATE CG006). Dropping takes a lock that readers and writers wait behind; it is given up after ten seconds,
-- with nothing dropped, to be tried again.
create function cedargate_audit_retain(cutoff timestamptz, dry_run boolean default false)
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
            execute format('drop table %s', whole);
        end if;
        return next;
    end loop;
end
$$;
revoke all on function cedargate_audit_retain(timestamptz, boolean) from public;
