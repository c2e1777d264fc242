//! Tests of the admin listener on a real socket.

use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

const HEADER_TIMEOUT: Duration = Duration::from_millis(300);

/// A probe with prescribed answers.
struct Puppet {
    ready: Vec<(&'static str, Check)>,
    draining: bool,
    reload: Mutex<Result<ReloadOutcome, String>>,
    jwks: Option<Value>,
}

fn applied(digest: &str, overridden: Vec<Value>) -> ReloadOutcome {
    let (digest, warnings) = (digest.to_owned(), Vec::new());
    ReloadOutcome::Applied { digest, generation: 2, warnings, overridden }
}

impl Default for Puppet {
    fn default() -> Self {
        let outcome = applied("abc", Vec::new());
        Self {
            ready: vec![("policies", Ok(None)), ("facts", Ok(None))],
            draining: false,
            reload: Mutex::new(Ok(outcome)),
            jwks: None,
        }
    }
}

#[async_trait]
impl Probe for Puppet {
    async fn ready(&self) -> Vec<(&'static str, Check)> {
        self.ready.clone()
    }
    fn draining(&self) -> bool {
        self.draining
    }
    fn status(&self) -> Value {
        json!({"version": "0.1.0", "policy_error": null})
    }
    async fn reload(&self, emergency: bool) -> Result<ReloadOutcome, String> {
        if emergency {
            return Ok(applied("emergency", vec![json!("a test")]));
        }
        self.reload.lock().unwrap().clone()
    }
    fn assertion_jwks(&self) -> Option<Value> {
        self.jwks.clone()
    }
}

struct Stand {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn stand(puppet: Puppet, token_file: Option<PathBuf>) -> Stand {
    let state = AdminState {
        probe: Arc::new(puppet),
        metrics: Metrics::new("0.1.0", "abc").unwrap(),
        hosts: ["gate.internal".to_owned()].into(),
        token_file,
        header_timeout: HEADER_TIMEOUT,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(serve(listener, state, async {
        let _ = stopped.await;
    }));
    Stand { address, stop, served }
}

impl Stand {
    /// Sends these lines as the head of a request, and reads the response until the connection closes.
    async fn send(&self, lines: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(&[&format!("GET {path} HTTP/1.1"), "Host: localhost"]).await
    }

    async fn reload(&self, header: &str) -> Answer {
        self.send(&["POST /reload HTTP/1.1", "Host: localhost", header]).await
    }
}

#[tokio::test]
async fn a_gate_that_is_well_says_so() {
    let stand = stand(Puppet::default(), None).await;
    assert_eq!(stand.get("/livez").await.status, 200);
    let ready = stand.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let checks = json!({"policies": {"ok": true}, "facts": {"ok": true}});
    assert_eq!(ready.json(), json!({"ready": true, "draining": false, "checks": checks}));
    assert_eq!(stand.get("/status").await.json()["version"], "0.1.0");
    let metrics = stand.get("/metrics").await;
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4\r\n"));
    assert!(metrics.body.contains("\ncedargate_build_info{"), "{}", metrics.body);
}

#[tokio::test]
async fn a_gate_that_cannot_serve_is_alive_but_not_ready() {
    let ready = vec![("policies", Ok(None)), ("facts", Err("no route to host".to_owned()))];
    let stand = stand(Puppet { ready, ..Puppet::default() }, None).await;
    assert_eq!(stand.get("/livez").await.status, 200);
    let answer = stand.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["checks"]["facts"], json!({"ok": false, "error": "no route to host"}));
    assert_eq!(answer.json()["checks"]["policies"]["ok"], true);
}

#[tokio::test]
async fn a_gate_that_drains_is_not_ready() {
    let stand = stand(Puppet { draining: true, ..Puppet::default() }, None).await;
    let answer = stand.get("/readyz").await;
    assert_eq!((answer.status, &answer.json()["draining"]), (503, &json!(true)));
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let stand = stand(Puppet::default(), None).await;
    for lines in [
        &["GET /livez HTTP/1.1", "Host: evil.example"][..],
        &["GET /livez HTTP/1.1", "Host: localhost", "Host: localhost"],
        &["GET /livez HTTP/1.1"],
        &["GET http://evil.example/livez HTTP/1.0"],
        &["GET http://evil.example/livez HTTP/1.1", "Host: localhost"],
        &["POST /reload HTTP/1.1", "Host: evil.example"],
        &["GET /nowhere HTTP/1.1", "Host: evil.example"],
    ] {
        let answer = stand.send(lines).await;
        assert_eq!(answer.status, 421, "{lines:?}");
        assert!(answer.head.contains("content-type: application/problem+json"));
        assert_eq!(answer.json()["reason"], "host_not_allowed");
    }
    for host in ["Host: gate.internal:9901", "Host: [::1]:9901", "Host: 127.0.0.1"] {
        assert_eq!(stand.send(&["GET /livez HTTP/1.1", host]).await.status, 200, "{host}");
    }
    // The form of HAProxy's health checks.
    assert_eq!(stand.send(&["GET /livez HTTP/1.0"]).await.status, 200);
}

#[tokio::test]
async fn a_reload_says_what_came_of_it() {
    let rejected = ReloadOutcome::Rejected { findings: vec!["roles.cedar:7: no `@id`".into()] };
    let unchanged = ReloadOutcome::Unchanged { digest: "abc".into(), generation: 2 };
    let said = json!({"outcome": "unchanged", "digest": "abc", "generation": 2});
    for (outcome, status, body) in [
        (unchanged, 200, said),
        (rejected, 422, json!({"outcome": "rejected", "findings": ["roles.cedar:7: no `@id`"]})),
    ] {
        let reload = Mutex::new(Ok(outcome));
        let stand = stand(Puppet { reload, ..Puppet::default() }, None).await;
        let answer = stand.reload("Accept: */*").await;
        assert_eq!((answer.status, answer.json()), (status, body));
    }
    let reload = Mutex::new(Err("no such directory".to_owned()));
    let stand = stand(Puppet { reload, ..Puppet::default() }, None).await;
    let answer = stand.reload("Accept: */*").await;
    assert_eq!((answer.status, &answer.json()["reason"]), (500, &json!("reload_failed")));
}

#[tokio::test]
async fn a_page_on_this_machine_reloads_nothing() {
    let stand = stand(Puppet::default(), None).await;
    for header in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"] {
        let answer = stand.reload(header).await;
        assert_eq!((answer.status, &answer.json()["reason"]), (403, &json!("origin_not_allowed")));
    }
    assert_eq!(stand.reload("Accept: */*").await.status, 200);
}

#[tokio::test]
async fn a_token_is_asked_for_when_there_is_one() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("token");
    fs::write(&file, "first-token\n").unwrap();
    let stand = stand(Puppet::default(), Some(file.clone())).await;
    for header in ["Accept: */*", "Authorization: Bearer wrong", "Authorization: Basic first-token"]
    {
        let answer = stand.reload(header).await;
        assert_eq!(answer.status, 401, "{header}");
        assert!(answer.head.contains("www-authenticate: bearer realm="));
    }
    assert_eq!(stand.reload("Authorization: bearer first-token").await.status, 200);
    assert_eq!(stand.get("/status").await.status, 200);

    fs::write(&file, "second-token").unwrap();
    assert_eq!(stand.reload("Authorization: Bearer first-token").await.status, 401);
    assert_eq!(stand.reload("Authorization: Bearer second-token").await.status, 200);

    fs::write(&file, "\n").unwrap();
    assert_eq!(stand.reload("Authorization: Bearer ").await.status, 503);
    fs::remove_file(&file).unwrap();
    assert_eq!(stand.reload("Authorization: Bearer second-token").await.status, 503);
}

#[tokio::test]
async fn only_a_reload_that_says_so_is_an_emergency() {
    let stand = stand(Puppet::default(), None).await;
    let digest = async |query: &str| {
        let line = format!("POST /reload{query} HTTP/1.1");
        let answer = stand.send(&[&line, "Host: localhost"]).await;
        (answer.status, answer.json())
    };
    for query in ["", "?", "?emergency=false"] {
        let (status, said) = digest(query).await;
        let expected = json!({"outcome": "applied", "digest": "abc", "generation": 2});
        assert_eq!((status, said), (200, expected), "{query}");
    }
    let (status, said) = digest("?emergency=true").await;
    assert_eq!((status, &said["digest"]), (200, &json!("emergency")));
    assert_eq!(said["overridden"], json!(["a test"]));
    for query in
        ["?emergency", "?emergency=1", "?emergency=TRUE", "?digest=abc", "?emergency=true&x"]
    {
        let (status, said) = digest(query).await;
        assert_eq!((status, &said["reason"]), (400, &json!("query_invalid")), "{query}");
    }
}

#[tokio::test]
async fn the_assertion_key_is_shown_if_there_is_one() {
    let without = stand(Puppet::default(), None).await;
    assert_eq!(without.get("/.well-known/jwks.json").await.status, 404);
    let jwks = Some(json!({"keys": []}));
    let with = stand(Puppet { jwks, ..Puppet::default() }, None).await;
    assert_eq!(with.get("/.well-known/jwks.json").await.json(), json!({"keys": []}));
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let stand = stand(Puppet::default(), None).await;
    let missing = stand.get("/nowhere").await;
    assert_eq!((missing.status, &missing.json()["reason"]), (404, &json!("not_found")));
    let wrong = stand.get("/reload").await;
    assert_eq!((wrong.status, &wrong.json()["reason"]), (405, &json!("method_not_allowed")));
    assert!(wrong.head.contains("\r\nallow: post"), "{}", wrong.head);
}

#[tokio::test]
async fn a_silent_connection_does_not_hold_up_the_end() {
    let stand = stand(Puppet::default(), None).await;
    let mut silent = TcpStream::connect(stand.address).await.unwrap();
    silent.write_all(b"GET /livez HT").await.unwrap();
    assert_eq!(stand.get("/livez").await.status, 200);
    stand.stop.send(()).unwrap();
    let served = tokio::time::timeout(Duration::from_mins(1), stand.served).await;
    served.unwrap().unwrap();
}

#[tokio::test]
async fn half_a_head_is_timed_out() {
    let stand = stand(Puppet::default(), None).await;
    let mut slow = Vec::new();
    for begun in ["", "GET", "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(stand.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        slow.push((begun, stream));
    }
    for (begun, mut stream) in slow {
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
        assert!(ended.is_ok(), "{begun:?} is still waited for");
    }
    assert_eq!(stand.get("/livez").await.status, 200);
}

/// With a long header timeout, only the limit on connections can let the probe in.
#[tokio::test]
async fn whoever_holds_connections_keeps_no_probe_out() {
    let stand = stand(Puppet::default(), None).await;
    let mut held = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(stand.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /live").await.unwrap();
        held.push(stream);
        assert_eq!(stand.get("/livez").await.status, 200);
    }
    let open = async |stream: &mut TcpStream| {
        let mut buffer = [0; 1024];
        loop {
            match tokio::time::timeout(Duration::from_millis(1), stream.read(&mut buffer)).await {
                Err(_nothing) => return true,
                Ok(Ok(0) | Err(_)) => return false,
                Ok(Ok(_)) => {}
            }
        }
    };
    let mut still = 0;
    for stream in &mut held {
        still += u32::from(open(stream).await);
    }
    assert!(still <= 64, "{still} connections are open");
}
