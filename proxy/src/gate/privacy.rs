//! Warns, at the start, of what others than its owner may read: keys, records, databases.

use std::path::Path;

use base::private::warn_if_open;
use database::sqlite_file;

use crate::config::{AuditDatabase, Config, DatabaseUrl};

/// Looks at everything that this configuration names and that nobody else has to read.
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

/// The file of an SQLite database, and those beside it, which have what was written last.
fn database(key: &str, url: &DatabaseUrl) {
    let Some(file) = sqlite_file(url.expose()) else { return };
    for beside in ["", "-wal", "-shm"] {
        let mut path = file.clone().into_os_string();
        path.push(beside);
        warn_if_open(key, Path::new(&path));
    }
}
