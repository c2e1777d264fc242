-- The reference tables of diagnosis, laboratory and clinical terms. They are facts of the world and belong to no tenant.
create table medical_codes (
    system text not null constraint medical_codes_system_known check (system in ('icd10', 'loinc', 'snomed')),
    code text not null,
    display text not null,
    constraint medical_codes_pkey primary key (system, code)
);

-- Which term of one system says the same as, or nearly the same as, a term of another.
create table code_crosswalks (
    from_system text not null,
    from_code text not null,
    to_system text not null,
    to_code text not null,
    relation text not null default 'equivalent' constraint code_crosswalks_relation_known check (relation in ('equivalent', 'broader', 'narrower', 'related')),
    constraint code_crosswalks_pkey primary key (from_system, from_code, to_system, to_code),
    constraint code_crosswalks_from_exists foreign key (from_system, from_code) references medical_codes (system, code),
    constraint code_crosswalks_to_exists foreign key (to_system, to_code) references medical_codes (system, code)
);
create index code_crosswalks_by_target on code_crosswalks (to_system, to_code);

-- Codes that somebody keeps at hand. The person may be platform or group staff, hence the plain reference to users.
create table code_favorites (
    id text primary key,
    organization_id text not null constraint code_favorites_organization_exists references organizations (id),
    user_id text not null constraint code_favorites_user_exists references users (id),
    system text not null constraint code_favorites_system_known check (system in ('icd10', 'loinc', 'snomed')),
    code text not null,
    display text,
    note text,
    created_at timestamptz not null default now(),
    constraint code_favorites_once_per_organization unique (organization_id, id),
    constraint code_favorites_once_per_user unique (organization_id, user_id, system, code)
);
create index code_favorites_by_user on code_favorites (user_id);

-- Named collections of codes that an organisation shares.
create table code_lists (
    id text primary key,
    organization_id text not null constraint code_lists_organization_exists references organizations (id),
    name text not null,
    description text,
    created_by text constraint code_lists_creator_exists references users (id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint code_lists_once_per_organization unique (organization_id, id)
);
create index code_lists_by_name on code_lists (organization_id, name);
create index code_lists_by_creator on code_lists (created_by);

-- The codes of a list, in the order in which they were put there.
create table code_list_items (
    organization_id text not null,
    code_list_id text not null,
    position bigint not null,
    system text not null constraint code_list_items_system_known check (system in ('icd10', 'loinc', 'snomed')),
    code text not null,
    display text,
    constraint code_list_items_pkey primary key (organization_id, code_list_id, position),
    constraint code_list_items_code_once unique (organization_id, code_list_id, system, code),
    constraint code_list_items_same_tenant foreign key (organization_id, code_list_id) references code_lists (organization_id, id) on delete cascade
);
