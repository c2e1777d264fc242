//! The gate as a process of its own: to be killed, starved and started again.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::OnceCell,
};

use crate::wait::in_time;

static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();

/// A running `cedargate serve`.
#[derive(Debug)]
pub struct Binary {
    child: Child,
    proxy: SocketAddr,
    admin: SocketAddr,
    output: Lines<BufReader<ChildStdout>>,
}

impl Binary {
    /// Starts it in `directory` and waits until it says where it listens.
    pub async fn serve(directory: &Path, file_limit: Option<u64>) -> Self {
        let mut command = Command::new(program().await);
        if let Some(bytes) = file_limit {
            // A write beyond the limit has to fail, not to end the process.
            command = Command::new("sh");
            let limited = r#"trap '' XFSZ; exec prlimit --fsize="$1" "$2" "$3" "$4" "$5""#;
            command.args(["-c", limited, "limited"]).arg(bytes.to_string()).arg(program().await);
        }
        command.arg("serve").arg("--config").arg(directory.join("cedargate.yaml"));
        Self::start(command, directory).await
    }

    /// Starts it with these soft and hard limits of file descriptors: `256:4096`.
    pub async fn serve_limited(directory: &Path, descriptors: &str) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={descriptors}")).arg(program().await);
        command.arg("serve").arg("--config").arg(directory.join("cedargate.yaml"));
        Self::start(command, directory).await
    }

    /// Starts a command that serves, under this umask.
    pub async fn with_umask(umask: &str, directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "masked", umask]);
        command.arg(program().await).args(arguments);
        Self::start(command, directory).await
    }

    /// The same, with more in its environment.
    pub async fn serve_with(directory: &Path, environment: &[(&str, PathBuf)]) -> Self {
        let mut command = Command::new(program().await);
        command.arg("serve").arg("--config").arg(directory.join("cedargate.yaml"));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::start(command, directory).await
    }

    /// Starts a command that serves in `directory`, with more in its environment.
    pub async fn run(
        directory: &Path,
        arguments: &[&str],
        environment: Vec<(String, String)>,
    ) -> Self {
        let mut command = Command::new(program().await);
        command.args(arguments).envs(environment);
        Self::start(command, directory).await
    }

    /// Starts the whole demo, which is kept in `directory`, on ports that the system chooses.
    pub async fn demo(directory: &Path) -> Self {
        let mut command = Command::new(program().await);
        command.args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dir"]);
        command.arg(directory);
        Self::start(command, directory).await
    }

    /// The same, with all that it has to log going there.
    pub async fn serve_logging_to(directory: &Path, log: Stdio) -> Self {
        Self::serve_started_by(directory, log, &["env"]).await
    }

    /// The same, started by `limiter`, `prlimit --nofile=96` for one.
    pub async fn serve_started_by(directory: &Path, log: Stdio, limiter: &[&str]) -> Self {
        let mut command = Command::new(limiter[0]);
        command.args(&limiter[1..]).arg(program().await).env("CEDARGATE_LOG__LEVEL", "trace");
        command.arg("serve").arg("--config").arg(directory.join("cedargate.yaml"));
        Self::start_logging_to(command, directory, log).await
    }

    async fn start(command: Command, directory: &Path) -> Self {
        let log = directory.join("stderr.log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        Self::start_logging_to(command, directory, log.into()).await
    }

    async fn start_logging_to(mut command: Command, directory: &Path, log: Stdio) -> Self {
        command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (proxy, admin) = in_time("the gate is ready", addresses(&mut output, directory)).await;
        Self { child, proxy, admin, output }
    }

    /// Where it listens for clients.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Where it listens for operators.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// How much the thread of this name lets others go first (`nice`); `None`: there is no such thread.
    #[must_use]
    pub fn nice(&self, thread: &str) -> Option<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id().unwrap())).unwrap();
        let of_name = |task: &std::path::PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == thread)
        };
        let task = tasks.map(|task| task.unwrap().path()).find(of_name)?;
        let stat = std::fs::read_to_string(task.join("stat")).unwrap();
        // proc_pid_stat(5): the name, in brackets, is the second field, and this the nineteenth.
        let rest = stat.rsplit_once(") ").unwrap().1;
        rest.split(' ').nth(16).unwrap().parse().ok()
    }

    /// How much memory it has, in bytes (`VmRSS`).
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a signal, `TERM` for one, and waits for the end. Gives the exit status.
    pub async fn signal(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().await.unwrap();
        assert!(sent.success());
        in_time("the gate ends", self.child.wait()).await.unwrap().code()
    }

    /// Ends it well, and gives what it has printed since it said where it listens.
    pub async fn output_until_stopped(mut self) -> String {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().await.unwrap().success());
        let mut printed = String::new();
        while let Some(line) = in_time("its output", self.output.next_line()).await.unwrap() {
            printed += &line;
            printed.push('\n');
        }
        assert!(in_time("the gate ends", self.child.wait()).await.unwrap().success());
        printed
    }

    /// Sends SIGHUP, which ends nothing.
    pub async fn hang_up(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", "HUP", &id]).status().await.unwrap().success());
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// Runs a command of the binary to its end. Gives the exit status, the output and the complaints.
pub async fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    // Building the program, if nobody has built it yet, takes its own time.
    program().await;
    in_time("the command ends", run_long(directory, arguments)).await
}

/// The same for a command that has much to do, however long it takes.
pub async fn run_long(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(program().await);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs a command of the binary to its end, with its output going there. Gives the exit status and
/// the complaints.
pub async fn run_into(directory: &Path, arguments: &[String], output: Stdio) -> (i32, String) {
    let mut command = Command::new(program().await);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
    let running = command.stdout(output).stderr(Stdio::piped()).spawn().unwrap();
    let ended = in_time("the command ends", running.wait_with_output()).await.unwrap();
    let complaints = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code().unwrap_or(-1), complaints)
}

/// Starts a command that goes on until it is dropped, and gives its output a line at a time.
pub async fn spawn(directory: &Path, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(program().await);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Reads `cedargate: proxy on http://A, admin on http://B`.
async fn addresses(
    output: &mut Lines<BufReader<ChildStdout>>,
    directory: &Path,
) -> (SocketAddr, SocketAddr) {
    while let Some(line) = output.next_line().await.unwrap() {
        if let Some(found) = line.strip_prefix("cedargate: proxy on http://") {
            let (proxy, admin) = found.split_once(", admin on http://").unwrap();
            return (proxy.parse().unwrap(), admin.trim().parse().unwrap());
        }
    }
    let log = std::fs::read_to_string(directory.join("stderr.log")).unwrap_or_default();
    panic!("the gate ended before it was ready:\n{log}")
}

/// The binary beside the one that runs the tests, made anew if it is older than its sources.
pub async fn program() -> &'static Path {
    PROGRAM.get_or_init(build).await
}

async fn build() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    let program = profile.join("cedargate");
    // `cargo test` tells which cargo it is. Without one, the binary is taken as it lies there.
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--locked", "--workspace"]);
        command.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            command.arg("--release");
        }
        let built = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().await.unwrap();
        assert!(built.success(), "the binary could not be built");
    }
    assert!(program.is_file(), "{} is not there: cargo build --workspace", program.display());
    program
}
