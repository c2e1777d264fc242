//! The tests' own ground holds.

use sqlx::{Connection as _, PgConnection};
use tests::{
    bad_tokens,
    client::{self, Connection, Request},
    hostile_headers, hostile_targets,
    people::{DECISIONS, ORGANIZATIONS, ROUTES, USERS},
    postgres::Cluster,
    tokens::{TRUSTED, token, verify_ed25519},
    upstream::{Behaviour, Upstream},
};

#[tokio::test]
async fn a_cluster_comes_back_with_its_data_after_a_crash() {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    run(&url, "create table kept (n int); insert into kept values (42)").await;

    cluster.stop_immediate();
    assert!(PgConnection::connect(&url).await.is_err(), "the server is down");
    cluster.start_again().await;

    let mut connection = PgConnection::connect(&url).await.unwrap();
    let kept: i32 =
        sqlx::query_scalar("select n from kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 42);
}

async fn run(url: &str, sql: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn the_upstream_keeps_every_byte() {
    let upstream = Upstream::start();
    upstream.on("/echo", Behaviour::Echo);
    let mut connection = Connection::open(upstream.address()).await;

    let chunked = b"POST /echo?a=1 HTTP/1.1\r\nHOST: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n";
    let answer = connection.exchange(chunked, false).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"abcde".as_slice()));
    let answer = connection.send(&Request::new("PUT", "/echo").body("fixed")).await.unwrap();
    assert_eq!(answer.body, b"fixed");

    let seen = upstream.take();
    assert_eq!(seen.len(), 2);
    assert_eq!([seen[0].raw_head.clone(), seen[0].raw_body.clone()].concat(), chunked);
    assert_eq!((seen[1].method(), seen[1].target()), ("PUT", "/echo"));
}

#[tokio::test]
async fn the_upstream_misbehaves_when_told_to() {
    let mut upstream = Upstream::start();
    upstream.on("/close", Behaviour::Close);
    upstream.on("/stream", Behaviour::Stream(100_000));
    upstream.on("/teapot", Behaviour::Answer(418, vec![("A".into(), "b".into())], Vec::new()));

    assert!(client::send_raw(upstream.address(), b"GET /close HTTP/1.1\r\n\r\n").await.is_none());
    let streamed = client::send(upstream.address(), &Request::get("/stream")).await;
    assert_eq!((streamed.body.len(), streamed.complete), (100_000, true));
    let teapot = client::send(upstream.address(), &Request::get("/teapot")).await;
    assert_eq!((teapot.status, teapot.head.header("a")), (418, Some("b")));

    upstream.stop().await;
    assert!(tokio::net::TcpStream::connect(upstream.address()).await.is_err());
    upstream.start_again();
    assert_eq!(client::send(upstream.address(), &Request::get("/")).await.status, 200);
}

#[test]
fn the_tables_are_whole() {
    assert_eq!((USERS.len(), ORGANIZATIONS.len(), ROUTES.len()), (32, 8, 79));
    assert!(DECISIONS.len() > 2_000);
    assert!(hostile_targets::all().count() >= 60);
    assert!(hostile_headers::RESERVED.len() + hostile_headers::SETS.len() >= 40);
    assert!(bad_tokens::bad().len() >= 50 && !bad_tokens::odd().is_empty());
    for row in DECISIONS.iter().filter(|row| row.reason == "allowed") {
        let _worked_out = row.identity("jti");
    }
}

#[test]
fn a_good_token_is_good() {
    let (header, claims) = verify_ed25519(&token("kauvery-doctor"), &TRUSTED.key_set());
    assert_eq!((&header["kid"], &claims["sub"]), (&"ed-1".into(), &"kauvery-doctor".into()));
}
