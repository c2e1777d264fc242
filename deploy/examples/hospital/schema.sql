-- A hospital's own tables, as they were before anybody thought of a gate. Ids are numbers, what
-- somebody does is one column, where they do it is a table between, and nothing is ever deleted.

-- Tenants. The subdomain is their name in addresses.
create table clinics (
    id         integer primary key,
    subdomain  text not null unique,
    state      text not null default 'live' constraint clinics_state_known check (state in ('live', 'trial', 'blocked')),
    removed_at timestamptz
);

-- What a clinic has bought, a row each.
create table clinic_tools (
    clinic_id integer not null references clinics,
    tool      text not null,
    primary key (clinic_id, tool)
);

-- What people do here.
create type job as enum ('doc', 'nurse', 'desk', 'boss', 'ops', 'porter');

-- Everybody who has ever worked here.
create table staff (
    id            integer primary key,
    role          job not null,
    signed_out_at timestamptz,
    removed_at    timestamptz
);

-- Where they do it. Who belongs to two clinics at once is judged in neither.
create table memberships (
    staff_id  integer not null references staff,
    clinic_id integer not null references clinics,
    left_at   timestamptz,
    primary key (staff_id, clinic_id)
);

-- What somebody may use, a row each.
create table staff_tools (
    staff_id integer not null references staff,
    tool     text not null,
    primary key (staff_id, tool)
);

create table patients (
    id        bigint primary key,
    clinic_id integer not null references clinics
);

-- An insurance has no clinic of its own: it is its patient's.
create table insurances (
    id         bigint primary key,
    patient_id bigint not null references patients
);

insert into clinics (id, subdomain, state, removed_at) values
    (1, 'alpha', 'live', null),
    (2, 'beta', 'trial', null),
    (3, 'closed', 'live', '2026-01-01'),
    (4, 'lapsed', 'blocked', null);
insert into clinic_tools values (1, 'code_search'), (1, 'fax');

insert into staff (id, role) values
    (10, 'doc'), (11, 'nurse'), (12, 'desk'), (13, 'boss'), (14, 'ops'), (15, 'porter'),
    (20, 'nurse'), (30, 'doc'), (40, 'doc'), (50, 'doc'), (51, 'doc');
-- 51 has left the hospital, 50 works in two clinics.
update staff set removed_at = '2026-01-01' where id = 51;
insert into memberships (staff_id, clinic_id, left_at) values
    (10, 1, null), (10, 2, '2025-06-01'), (11, 1, null), (12, 1, null), (13, 1, null), (15, 1, null),
    (20, 2, null), (30, 3, null), (40, 4, null), (50, 1, null), (50, 2, null), (51, 1, null);
insert into staff_tools values (10, 'code_search'), (10, 'fax'), (20, 'code_search');

insert into patients values (7, 1), (8, 2);
insert into insurances values (70, 7), (80, 8);
