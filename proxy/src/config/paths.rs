//! Resolves relative paths against the directory of the file that they are written in.

use std::path::Path;

use super::{AuditDatabase, Config, DatabaseUrl, JwksSource};

impl Config {
    /// Resolves every relative path against `base`, the directory of the configuration file.
    pub(super) fn resolve(&mut self, base: &Path) {
        let mut paths = vec![&mut self.policies.directory, &mut self.audit.directory];
        paths.extend(self.policies.archive.as_mut());
        paths.extend(self.audit.signing_keys.iter_mut());
        paths.extend(self.admin.token_file.as_mut());
        paths.extend(self.facts.password_file.as_mut());
        paths.extend(self.upstream.assertion.as_mut().map(|assertion| &mut assertion.key));
        paths.extend(self.jwt.issuers.iter_mut().filter_map(|issuer| match &mut issuer.jwks {
            JwksSource::File(path) => Some(path),
            JwksSource::Url(_) => None,
        }));
        for path in paths {
            *path = base.join(&*path);
        }
        let mut databases = vec![&mut self.facts.database];
        if let AuditDatabase::Own(url) = &mut self.audit.database {
            databases.push(url);
        }
        for database in databases {
            if let Some(url) = resolve_sqlite(database.expose(), base) {
                *database = DatabaseUrl::new(url);
            }
        }
    }
}

/// The URL of a relative SQLite file such as `sqlite://var/x.db`, resolved against `base`; `None` for other URLs.
fn resolve_sqlite(url: &str, base: &Path) -> Option<String> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    if rest.starts_with('/') || rest.starts_with(":memory:") || base.as_os_str().is_empty() {
        return None;
    }
    // The path in an SQLite URL is percent-decoded and ends at `?`.
    let base = base.to_str()?.trim_end_matches('/').replace('%', "%25").replace('?', "%3F");
    Some(format!("sqlite://{base}/{rest}"))
}
