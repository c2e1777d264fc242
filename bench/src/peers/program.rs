//! The programs of the peers, where `bench/peers.sh` has put them.

use std::path::PathBuf;
use std::process::Command;

/// A program of a peer.
pub(super) struct Program {
    /// What its file is called.
    pub(super) name: &'static str,
    /// What people call it.
    title: &'static str,
    /// What has it say its version.
    version: &'static str,
}

pub(super) const NGINX: Program = Program { name: "nginx", title: "nginx", version: "-v" };
pub(super) const HAPROXY: Program = Program { name: "haproxy", title: "HAProxy", version: "-v" };
pub(super) const CADDY: Program = Program { name: "caddy", title: "Caddy", version: "version" };
pub(super) const ENVOY: Program = Program { name: "envoy", title: "Envoy", version: "--version" };
pub(super) const CERBOS: Program =
    Program { name: "cerbos", title: "Cerbos", version: "--version" };

impl Program {
    /// Its file, which is beside the folder that this program was built to.
    pub(super) fn path(&self) -> Result<PathBuf, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let target = own.parent().and_then(std::path::Path::parent);
        let path = target.map(|target| target.join("peers/bin").join(self.name));
        path.filter(|path| path.exists())
            .ok_or_else(|| format!("{} is not here: bench/peers.sh fetches it", self.title))
    }

    /// Its name and version, as it says itself.
    pub(super) fn version(&self) -> Result<String, String> {
        let said = Command::new(self.path()?).arg(self.version).output();
        let said = said.map_err(|error| format!("{} does not start: {error}", self.title))?;
        let text = [said.stdout, said.stderr].concat();
        Ok(format!("{} {}", self.title, number(&String::from_utf8_lossy(&text))))
    }
}

/// The first word that is a version: it starts with a digit, and has a dot.
fn number(text: &str) -> &str {
    let mut words = text.split([' ', '/', '\n']).map(|word| word.trim_start_matches('v'));
    words
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
        .unwrap_or("(of unknown version)")
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(number("nginx version: nginx/1.22.1\n"), "1.22.1");
        assert_eq!(number("HAProxy version 2.6.12-1+deb12u3 2025/10/03 -"), "2.6.12-1+deb12u3");
        assert_eq!(number("\n/bin/envoy  version: 9e55/1.40.0/Clean/RELEASE\n"), "1.40.0");
        assert_eq!(number("v2.11.7 h1:yj0Y4f=\n"), "2.11.7");
    }
}
