//! Stories about who asks.

use core::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

async fn exporter() -> (Exporter, u16) {
    let address = address(":0").unwrap();
    let exporter = Exporter::bind(&address, |page| {
        page.counter("t_total", "Told\nhere", &[("reason", "a\"b"), ("dir", "in")], 1);
        page.counter("t_total", "Told\nhere", &[("reason", "c")], 2);
        page.gauge("depth", "Now", &[], 3);
    });
    let exporter = exporter.await.unwrap();
    let Place::Tcp(place) = &exporter.place.place else {
        unreachable!("it listens on TCP");
    };
    let port = place.port;
    (exporter, port)
}

async fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_page_is_what_prometheus_reads() {
    let (_exporter, port) = exporter().await;
    let answer = ask(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.0 200 OK\r\n") && head.contains("version=0.0.4"),
        "{head}"
    );
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{head}"
    );
    assert_eq!(
        body,
        "# HELP t_total Told\\nhere\n# TYPE t_total counter\n\
         t_total{reason=\"a\\\"b\",dir=\"in\"} 1\nt_total{reason=\"c\"} 2\n\
         # HELP depth Now\n# TYPE depth gauge\ndepth 3\n"
    );
}

#[tokio::test]
async fn other_requests_get_an_answer_too() {
    let (_exporter, port) = exporter().await;
    for (request, status) in [
        ("GET / HTTP/1.0\r\n\r\n", "200"),
        ("GET /other HTTP/1.0\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.0\r\n\r\n", "405"),
        ("\r\n\r\n", "405"),
    ] {
        let answer = ask(port, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{request:?}: {answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_end_is_given_up() {
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    let render: &http::Render = &|_| {};
    ours.write_all(&[b'x'; 9000]).await.unwrap();
    http::answer(theirs, render).await.unwrap();
    let mut answer = String::new();
    ours.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 405 "), "{answer}");
}

#[tokio::test]
async fn a_crowd_that_only_connects_is_sent_away_and_then_forgotten() {
    let (_exporter, port) = exporter().await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    // Those over the limit see the end of the connection at once.
    let mut byte = [0];
    let last = crowd.last_mut().unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(30), last.read(&mut byte)).await;
    assert!(matches!(closed.unwrap(), Ok(0) | Err(_)));
    drop(crowd);
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut answer = String::new();
        let asked = stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await;
        if asked.is_ok() && stream.read_to_string(&mut answer).await.is_ok() && answer.contains("depth 3") {
            return;
        }
        tokio::task::yield_now().await;
    }
    unreachable!("nobody was answered any more");
}

#[test]
fn addresses_are_a_port_or_a_host_with_one() {
    for text in [":9187", "*:9187", "127.0.0.1:0", "[::1]:9187", "host:1"] {
        address(text).unwrap();
    }
    for text in ["", "9187", "host", "http://x:1"] {
        address(text).unwrap_err();
    }
}
