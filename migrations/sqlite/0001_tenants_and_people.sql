-- Hospital groups. An administrator of a group acts in every organisation that names it.
create table organization_groups (
    id text primary key
) strict;

-- Tenants. Everything clinical belongs to exactly one of them, and a tenant's state decides what its people may do.
create table organizations (
    id text primary key,
    slug text not null constraint organizations_slug_once unique,
    name text not null,
    type text not null constraint organizations_type_known check (type in ('CLINIC', 'HOSPITAL', 'PRIVATE_PRACTICE')),
    status text not null default 'TRIAL' constraint organizations_status_known check (status in ('ACTIVE', 'TRIAL', 'INACTIVE', 'SUSPENDED')),
    tier text not null default 'TRIAL' constraint organizations_tier_known check (tier in ('TRIAL', 'BASIC', 'PROFESSIONAL', 'ENTERPRISE')),
    group_id text constraint organizations_group_exists references organization_groups (id),
    features text not null default '{}' constraint organizations_features_object check (json_valid(features) and json_type(features) = 'object'),
    workflows text not null default '{}' constraint organizations_workflows_object check (json_valid(workflows) and json_type(workflows) = 'object'),
    settings text not null default '{}' constraint organizations_settings_object check (json_valid(settings) and json_type(settings) = 'object'),
    branding text not null default '{}' constraint organizations_branding_object check (json_valid(branding) and json_type(branding) = 'object'),
    deleted_at text,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint organizations_slug_form check (slug = lower(slug) and length(slug) between 1 and 63)
) strict;
create index organizations_by_group on organizations (group_id);

-- People who may appear as principals. The token says who; this table says whether.
-- Which role names are known is the policies' business, so no constraint lists them.
create table users (
    id text primary key,
    organization_id text constraint users_organization_exists references organizations (id),
    email text not null constraint users_email_once unique,
    name text not null,
    locale text not null default 'en',
    password_hash text,
    roles text not null default '[]' constraint users_roles_array check (json_valid(roles) and json_type(roles) = 'array'),
    enabled_features text not null default '[]' constraint users_enabled_features_array check (json_valid(enabled_features) and json_type(enabled_features) = 'array'),
    status text not null default 'ACTIVE' constraint users_status_known check (status in ('ACTIVE', 'INACTIVE')),
    is_super_admin integer not null default 0 constraint users_is_super_admin_boolean check (is_super_admin in (0, 1)),
    tokens_valid_after text,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint users_email_form check (email = lower(email) and email like '_%@_%'),
    constraint users_once_per_organization unique (organization_id, id)
) strict;
create index users_by_organization on users (organization_id, status);

-- Access tokens that were ended before their time. The gate refuses whatever it finds here.
create table revoked_tokens (
    jti text primary key,
    user_id text not null constraint revoked_tokens_user_exists references users (id) on delete cascade,
    expires_at text not null,
    revoked_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) strict;
create index revoked_tokens_by_user on revoked_tokens (user_id);
create index revoked_tokens_by_expiry on revoked_tokens (expires_at);

-- Refresh tokens, as hashes. Each is used once and belongs to the access token made with it (`jti`);
-- all that follow from one sign-in are one family, which ends as a whole when a used one comes back.
create table refresh_tokens (
    token_hash text primary key,
    family text not null,
    user_id text not null constraint refresh_tokens_user_exists references users (id) on delete cascade,
    jti text not null constraint refresh_tokens_jti_once unique,
    expires_at text not null,
    used_at text,
    revoked_at text,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) strict;
create index refresh_tokens_by_family on refresh_tokens (family);
create index refresh_tokens_by_user on refresh_tokens (user_id);

-- Offers of an account in an organisation. They hold the roles that accepting one will give.
create table invitations (
    id text primary key,
    organization_id text not null constraint invitations_organization_exists references organizations (id),
    email text not null,
    name text,
    roles text not null default '[]' constraint invitations_roles_array check (json_valid(roles) and json_type(roles) = 'array'),
    enabled_features text not null default '[]' constraint invitations_enabled_features_array check (json_valid(enabled_features) and json_type(enabled_features) = 'array'),
    status text not null default 'PENDING' constraint invitations_status_known check (status in ('PENDING', 'ACCEPTED', 'REVOKED')),
    token_hash text constraint invitations_token_once unique,
    invited_by text constraint invitations_inviter_exists references users (id),
    accepted_by text constraint invitations_accepter_exists references users (id),
    expires_at text not null,
    accepted_at text,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    constraint invitations_once_per_organization unique (organization_id, id),
    constraint invitations_email_form check (email = lower(email) and email like '_%@_%')
) strict;
create index invitations_by_status on invitations (organization_id, status);
create index invitations_by_inviter on invitations (invited_by);
create index invitations_by_accepter on invitations (accepted_by);
