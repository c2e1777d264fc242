//! Warns at start about keys, records and databases that users other than their owner can read.

use std::path::Path;

use base::private::warn_if_open;
use database::sqlite_file;

use crate::config::{AuditDatabase, Config, DatabaseUrl};

/// Checks the permissions of every private file in this configuration.
pub(super) fn look(config: &Config) {
    database("facts.database", &config.facts.database);
    if let AuditDatabase::Own(url) = &config.audit.database {
        database("audit.database", url);
    }
    warn_if_open("audit.directory", &config.audit.directory);
    for key in &config.audit.signing_keys {
        warn_if_open("audit.signing_keys", key);
    }
    let named = [
        ("upstream.assertion.key", config.upstream.assertion.as_ref().map(|it| &it.key)),
        ("facts.password_file", config.facts.password_file.as_ref()),
        ("admin.token_file", config.admin.token_file.as_ref()),
    ];
    for (key, path) in named.into_iter().filter_map(|(key, path)| Some((key, path?))) {
        warn_if_open(key, path);
    }
}

/// Checks the file of an SQLite database, and the `-wal` and `-shm` files beside it, which hold the latest writes.
fn database(key: &str, url: &DatabaseUrl) {
    let Some(file) = sqlite_file(url.expose()) else { return };
    for beside in ["", "-wal", "-shm"] {
        let mut path = file.clone().into_os_string();
        path.push(beside);
        warn_if_open(key, Path::new(&path));
    }
}
