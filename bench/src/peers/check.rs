//! `bench peers-check [NAME…]`: whether each peer allows and refuses what it has to. Every route is
//! asked for with every role, with none, and with tokens of every bad kind.

mod cases;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::super::subject::{Judges, Subject};
use cases::{Case, Planned};

/// How many wrong answers are shown.
const SHOWN: usize = 5;

/// Checks the named peers, or all peers. The exit status is 1 if a peer answers wrongly or cannot be installed.
pub(crate) fn check(names: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let setting = cases::setting(folder.path());
    let cases = cases::all(&setting.routes);
    println!("{} requests to each", cases.len());
    let mut bad = 0;
    for peer in super::all() {
        if !names.is_empty() && !names.iter().any(|name| name == peer.name) {
            continue;
        }
        let began = Instant::now();
        let fault = match (peer.start)(&setting) {
            Err(fault) => Some(fault),
            Ok(subject) => judge(&subject, &cases).err(),
        };
        if let Some(fault) = fault {
            bad += 1;
            println!("WRONG {}: {fault}", peer.name);
        } else {
            println!("      in {:.1?}", began.elapsed());
        }
    }
    if bad > 0 {
        std::process::exit(1);
    }
}

fn judge(subject: &Subject, cases: &[Case]) -> Result<(), String> {
    let mut client = Client::new(subject.address);
    let mut wrong = Vec::new();
    for case in cases {
        let answer = client.ask(&case.bytes)?;
        let expected = expected(case.planned, subject);
        let whole = answer.status != 200 || answer.body.len() == 1024;
        if !expected.contains(&answer.status) || !whole {
            let (status, length) = (answer.status, answer.body.len());
            wrong.push(format!("{}: {status} with {length} bytes, not {expected:?}", case.name));
        }
    }
    if !wrong.is_empty() {
        wrong.truncate(SHOWN);
        return Err(format!("at {}\n  {}", subject.version, wrong.join("\n  ")));
    }
    println!(
        "ok    {}: {} ({}), judges {:?}; processes {}, connections {}",
        subject.name,
        subject.label,
        subject.version,
        subject.judges,
        subject.processes.len(),
        client.connections
    );
    Ok(())
}

/// The statuses that will do.
fn expected(planned: Planned, subject: &Subject) -> &'static [u16] {
    match (planned, subject.judges) {
        (Planned::Allowed, _) | (_, Judges::Nothing) | (Planned::WrongRole, Judges::Tokens) => {
            &[200]
        }
        _ if !subject.exact => &[401, 403],
        (Planned::WrongRole, Judges::TokensAndRoles) => &[403],
        (Planned::BadToken, _) => &[401],
        // Envoy calls that forbidden.
        (Planned::OtherAudience, _) => &[401, 403],
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// A client with one connection, which it makes anew when it was closed.
struct Client {
    address: SocketAddr,
    socket: Option<TcpStream>,
    connections: usize,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self { address, socket: None, connections: 0 }
    }

    fn ask(&mut self, request: &[u8]) -> Result<Answer, String> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connect().map_err(|error| error.to_string())?,
        };
        let answer = exchange(&mut socket, request).map_err(|error| error.to_string())?;
        let (head, body) = answer;
        if !head.to_ascii_lowercase().contains("\r\nconnection: close\r\n") {
            self.socket = Some(socket);
        }
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        Ok(Answer { status: status.ok_or_else(|| format!("no HTTP: {head}"))?, body })
    }

    fn connect(&mut self) -> std::io::Result<TcpStream> {
        self.connections += 1;
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(socket)
    }
}

/// Sends a request and reads head and body of the answer.
fn exchange(socket: &mut TcpStream, request: &[u8]) -> std::io::Result<(String, Vec<u8>)> {
    socket.write_all(request)?;
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = socket.read(&mut chunk)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&chunk[..read]);
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end + 4]).into_owned();
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        if buffer.len() >= end + 4 + length {
            return Ok((head, buffer.split_off(end + 4)));
        }
    }
}
