//! A reader of the book, who does what its pages say.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    binary::{self, Binary},
    book,
    client::{self, Request},
    postgres,
    wait::in_time,
};

/// The addresses that the book writes for the two listeners of a gate.
const WRITTEN: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:9901"];

/// A reader of the book in a directory with what a checkout has of `deploy` and `migrations`. `cedargate` and
/// PostgreSQL's programs are on the path. `cedargate serve` runs beside the commands that follow, on ports that the
/// system chooses; `curl` is answered by the client of the tests.
#[derive(Debug)]
pub struct Reader {
    directory: TempDir,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    stands_for: Vec<(String, String)>,
    gate: Option<Binary>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// The exit status.
    pub status: i32,
    /// The output, and what was said on standard error.
    pub said: String,
}

impl Reader {
    /// A reader in a directory of its own.
    pub async fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("cedargate-").tempdir().unwrap();
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(binary::program().await, bin.join("cedargate")).unwrap();
        for folder in ["deploy", "migrations"] {
            symlink(
                book::root().canonicalize().unwrap().join(folder),
                directory.path().join(folder),
            )
            .unwrap();
        }
        let programs = postgres::programs();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{path}", bin.display(), programs.display());
        let folder = directory.path().to_owned();
        let environment = vec![("PATH".to_owned(), path)];
        Self { directory, folder, environment, stands_for: Vec::new(), gate: None }
    }

    /// Sets a variable of the environment.
    pub fn sets(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Has `written` in a command stand for something else.
    pub fn reads(&mut self, written: &str, meant: &str) {
        self.stands_for.push((written.to_owned(), meant.to_owned()));
    }

    /// A path below the first directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory that the reader is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Goes to a folder below the present one.
    pub fn goes_to(&mut self, folder: &str) {
        self.folder = self.folder.join(folder);
    }

    /// The gate that the reader has started.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn gate(&self) -> &Binary {
        self.gate.as_ref().expect("`cedargate serve` comes first")
    }

    /// Has a gate that was started elsewhere be the one that the book speaks of.
    pub fn has(&mut self, gate: Binary) {
        self.gate = Some(gate);
    }

    /// Runs one line of the book.
    pub async fn runs(&mut self, command: &str) -> Done {
        let command = self.meant(command);
        if let Some(folder) = command.strip_prefix("cd ") {
            self.goes_to(folder);
            return Done { status: 0, said: String::new() };
        }
        if let Some(arguments) = command.strip_prefix("cedargate serve") {
            return self.serves(arguments).await;
        }
        if let Some(arguments) = command.strip_prefix("curl ") {
            return self.asks(arguments).await;
        }
        let ended = in_time("the command ends", self.bash(&command).output()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&ended.stdout) + &text(&ended.stderr);
        Done { status: ended.status.code().unwrap_or(-1), said }
    }

    /// Begins a command that does not end by itself.
    #[must_use]
    pub fn begins(&self, command: &str) -> Child {
        let mut bash = self.bash(&format!("exec {}", self.meant(command)));
        bash.stdout(Stdio::piped()).spawn().unwrap()
    }

    fn meant(&self, command: &str) -> String {
        let mut command = command.to_owned();
        for (written, meant) in &self.stands_for {
            command = command.replace(written, meant);
        }
        if let Some(gate) = &self.gate {
            for (written, address) in WRITTEN.iter().zip([gate.proxy(), gate.admin()]) {
                command = command.replace(written, &address.to_string());
            }
        }
        command
    }

    fn bash(&self, command: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-c", command]).current_dir(&self.folder).kill_on_drop(true);
        bash.stdin(Stdio::null()).envs(self.environment.iter().cloned());
        bash
    }

    async fn serves(&mut self, arguments: &str) -> Done {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let here = "127.0.0.1:0".to_owned();
        let ports = ["CEDARGATE_LISTEN__PROXY", "CEDARGATE_LISTEN__ADMIN"];
        let ports = ports.map(|name| (name.to_owned(), here.clone()));
        // An application of somebody else's may listen at the address that the book writes.
        let nobody = ("CEDARGATE_UPSTREAM__ADDRESS".to_owned(), "127.0.0.1:1".to_owned());
        let mut environment = [self.environment.clone(), ports.to_vec()].concat();
        environment.push(nobody);
        let arguments = [&["serve"], &arguments[..]].concat();
        self.gate = Some(Binary::run(&self.folder, &arguments, environment).await);
        Done { status: 0, said: String::new() }
    }

    /// Sends the request of a `curl`, whose arguments the shell has expanded.
    async fn asks(&self, arguments: &str) -> Done {
        let expanded = self.bash(&format!("printf '%s\\n' {arguments}")).output().await.unwrap();
        assert!(expanded.status.success(), "{expanded:?}");
        let expanded = String::from_utf8(expanded.stdout).unwrap();
        let mut arguments = expanded.lines();
        let (mut method, mut headers, mut url) = ("GET", Vec::new(), "");
        while let Some(argument) = arguments.next() {
            match argument {
                "-i" | "-s" => {}
                "-X" => method = arguments.next().unwrap(),
                "-H" => headers.push(arguments.next().unwrap().split_once(": ").unwrap()),
                other => url = other,
            }
        }
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut request = Request::new(method, format!("/{path}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = client::send(address.parse().unwrap(), &request).await;
        let body = String::from_utf8_lossy(&answer.body);
        Done { status: 0, said: format!("{} {body}", answer.status) }
    }
}
