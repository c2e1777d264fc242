-- A call product's own table: every collection's documents, as JSON.
create table documents (
    collection text not null,
    id         text not null,
    body       jsonb not null,
    primary key (collection, id)
);

insert into documents (collection, id, body) values
    ('clinics', 'org-alpha', '{"subdomain": "alpha", "state": "ACTIVE", "tools": {"codes": true, "ai_notes": false}}'),
    ('clinics', 'org-beta', '{"subdomain": "beta", "state": "TRIAL"}'),
    ('clinics', 'org-closed', '{"subdomain": "closed", "state": "ACTIVE", "deleted": true}'),
    ('people', 'platform-admin', '{"active": true, "roles": ["PLATFORM"]}'),
    ('people', 'alpha-admin', '{"clinic": "org-alpha", "active": true, "roles": ["ADMIN"], "tools": ["codes"]}'),
    ('people', 'alpha-doctor', '{"clinic": "org-alpha", "active": true, "roles": ["DOCTOR", "ADMIN"], "tools": ["codes"]}'),
    ('people', 'alpha-coder', '{"clinic": "org-alpha", "active": true, "roles": []}'),
    ('people', 'beta-nurse', '{"clinic": "org-beta", "active": true, "roles": ["NURSE"], "tools": ["codes"]}'),
    ('people', 'closed-doctor', '{"clinic": "org-closed", "active": true, "roles": ["DOCTOR"]}'),
    ('people', 'kauvery-left', '{"clinic": "org-alpha", "active": false, "roles": ["DOCTOR"]}'),
    ('patients', 'patient-alpha-1', '{"clinic": "org-alpha"}'),
    ('patients', 'patient-beta-1', '{"clinic": "org-beta"}'),
    ('insurances', 'insurance-alpha-1', '{"patient": "patient-alpha-1"}'),
    ('insurances', 'insurance-beta-1', '{"patient": "patient-beta-1"}');
