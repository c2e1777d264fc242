//! Where a peer is put up: its folder, its ports, and its processes while they start.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::on_first_core;
use super::super::subject::Setting;
use super::program::Program;

/// The longest that a program may take before it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of its log is shown when it does not.
const LAST_LINES: usize = 20;

/// What a peer is put up with.
pub(super) struct Site<'a> {
    /// What every subject is told.
    pub(super) setting: &'a Setting,
    /// Its own folder.
    pub(super) folder: PathBuf,
}

impl Site<'_> {
    /// Writes a file, each `{{name}}` replaced by its value.
    pub(super) fn write(&self, name: &str, template: &str, values: &[(&str, &str)]) -> PathBuf {
        let mut text = template.to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts a program on the first core, its log in this folder, and waits until it listens.
    pub(super) fn start(
        &self,
        program: &Program,
        arguments: &[&str],
        listens: SocketAddr,
    ) -> Result<Child, String> {
        let log = self.folder.join(format!("{}-{}.log", program.name, listens.port()));
        let out = fs::File::create(&log).unwrap();
        let mut command = on_first_core(&program.path()?);
        command.args(arguments).current_dir(&self.folder);
        // What a program keeps for its user stays here, too.
        for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, &self.folder);
        }
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.name))?;
        if let Err(fault) = listening(&mut child, listens) {
            let _gone = child.kill();
            let _gone = child.wait();
            return Err(format!("{} {fault}; its log ends with:\n{}", program.name, tail(&log)));
        }
        Ok(child)
    }
}

/// An address that the kernel chose, and that nobody listens at.
pub(super) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn listening(child: &mut Child, address: SocketAddr) -> Result<(), String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        if let Some(status) = child.try_wait().unwrap() {
            return Err(format!("ended at once ({status})"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(format!("did not listen within {PATIENCE:?}"))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
