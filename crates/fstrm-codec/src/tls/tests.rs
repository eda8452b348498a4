use std::boxed::Box;
use std::format;
use std::fs;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec::Vec;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::endpoint::{DialConfig, Dialer, Endpoint, EndpointError, ListenConfig, Listener, Place};

/// An authority, and the files of those it signs.
struct Authority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.crt"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes NAME.crt and NAME.key, for these hosts.
    fn sign(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(hosts)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let files = (
            self.file(&format!("{name}.crt")),
            self.file(&format!("{name}.key")),
        );
        fs::write(&files.0, certificate.pem()).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }

    fn server(&self) -> ServerConfig {
        let (certificate, key) = self.sign("server", &["localhost"]);
        ServerConfig::new(certificate, key)
    }

    fn client(&self) -> ClientConfig {
        ClientConfig::new().authority(self.file("ca.crt"))
    }
}

async fn listen(server: ServerConfig) -> Listener {
    let config = ListenConfig::new().tls(server.load().unwrap());
    Listener::bind(&"tls://:0".parse().unwrap(), config)
        .await
        .unwrap()
}

fn dialer(listener: &Listener, client: &ClientConfig) -> Dialer {
    let config = DialConfig::new().tls(client.load().unwrap());
    Dialer::new(&listener.local_endpoint(), config).unwrap()
}

fn port(listener: &Listener) -> u16 {
    match listener.local_endpoint().place {
        Place::Tls(address) => address.port,
        other => panic!("{other}"),
    }
}

/// What the two sides come to: the server's word, the client's.
async fn meet(server: ServerConfig, client: &ClientConfig) -> (io::Result<u8>, io::Result<u8>) {
    let mut listener = listen(server).await;
    let dialer = dialer(&listener, client);
    let here = async {
        let mut io = dialer.dial().await?;
        io.write_all(b"c").await?;
        io.flush().await?;
        io.read_u8().await
    };
    let there = async {
        let (mut io, peer) = listener.accept().await.unwrap();
        assert!(peer.to_string().starts_with("tls 127.0.0.1:"), "{peer}");
        let got = io.read_u8().await?;
        io.write_all(b"s").await?;
        io.shutdown().await?;
        Ok(got)
    };
    tokio::join!(there, here)
}

#[track_caller]
fn says<T: core::fmt::Debug>(outcome: io::Result<T>, words: &str) {
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn bytes_go_both_ways() {
    let authority = Authority::new();
    let (there, here) = meet(authority.server(), &authority.client()).await;
    assert_eq!((there.unwrap(), here.unwrap()), (b'c', b's'));
}

#[tokio::test]
async fn a_stranger_among_servers_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (_, here) = meet(authority.server(), &other.client()).await;
    says(here, "not signed by an authority that is trusted here");
}

#[tokio::test]
async fn whoever_trusts_anyone_gets_through() {
    let authority = Authority::new();
    let client = ClientConfig::new().dangerously_trust_anyone();
    let (there, here) = meet(authority.server(), &client).await;
    assert_eq!((there.unwrap(), here.unwrap()), (b'c', b's'));
}

#[tokio::test]
async fn another_name_is_refused_unless_it_is_the_one_to_expect() {
    let authority = Authority::new();
    let server = |authority: &Authority| {
        let (certificate, key) = authority.sign("other", &["collector.example"]);
        ServerConfig::new(certificate, key)
    };
    let (_, here) = meet(server(&authority), &authority.client()).await;
    says(here, "not for localhost");
    let client = authority.client().server_name("collector.example");
    let (_, here) = meet(server(&authority), &client).await;
    here.unwrap();
}

#[tokio::test]
async fn mutual_tls_lets_only_known_peers_in() {
    let authority = Authority::new();
    let server = || authority.server().client_authority(authority.file("ca.crt"));
    let (there, here) = meet(server(), &authority.client()).await;
    says(there, "shows no certificate");
    says(here, "lets in only those who show a certificate");

    let (certificate, key) = authority.sign("client", &["sensor"]);
    let (there, here) = meet(server(), &authority.client().identity(certificate, key)).await;
    assert_eq!((there.unwrap(), here.unwrap()), (b'c', b's'));

    let stranger = Authority::new();
    let (certificate, key) = stranger.sign("client", &["sensor"]);
    let (there, here) = meet(server(), &authority.client().identity(certificate, key)).await;
    says(there, "not signed by an authority");
    says(here, "does not trust the certificate of this side");
}

#[tokio::test]
async fn plain_text_on_a_tls_port_is_recognised() {
    let authority = Authority::new();
    let mut listener = listen(authority.server()).await;
    let mut plain = TcpStream::connect(("127.0.0.1", port(&listener))).await.unwrap();
    plain
        .write_all(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4])
        .await
        .unwrap();
    let (mut io, _) = listener.accept().await.unwrap();
    says(io.read_u8().await, "does not speak TLS");
    // Told once; then it is just closed.
    assert_eq!(
        io.read_u8().await.unwrap_err().kind(),
        io::ErrorKind::NotConnected
    );
}

#[tokio::test]
async fn tls_on_a_plain_port_is_recognised_by_both() {
    let authority = Authority::new();
    let mut listener = Listener::bind(&"tcp://:0".parse().unwrap(), ListenConfig::new())
        .await
        .unwrap();
    let Place::Tcp(address) = listener.local_endpoint().place else {
        panic!("not TCP");
    };
    let endpoint = Endpoint::new(Place::Tls(address));
    let config = DialConfig::new().tls(authority.client().load().unwrap());
    let dialer = Dialer::new(&endpoint, config).unwrap();
    let there = async {
        let (io, _) = listener.accept().await.unwrap();
        crate::FstrmReader::open(io, crate::Config::new()).await
    };
    let (there, here) = tokio::join!(there, dialer.dial());
    let text = there.unwrap_err().to_string();
    assert!(text.contains("looks like TLS"), "{text}");
    says(here, "perhaps it expects plain tcp://");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_is_given_up_and_keeps_nobody_waiting() {
    let authority = Authority::new();
    let mut listener = listen(authority.server()).await;
    let silent = TcpStream::connect(("127.0.0.1", port(&listener))).await.unwrap();
    let (mut first, _) = listener.accept().await.unwrap();
    let dialer = dialer(&listener, &authority.client());
    let second = async {
        let (mut io, _) = listener.accept().await.unwrap();
        io.write_all(b"s").await.unwrap();
        io.flush().await.unwrap();
        io
    };
    let client = async {
        let mut io = dialer.dial().await.unwrap();
        assert_eq!(io.read_u8().await.unwrap(), b's');
    };
    tokio::join!(second, client);
    says(first.read_u8().await, "no TLS handshake within 5s");
    drop(silent);
}

#[tokio::test]
async fn a_peer_that_closes_without_a_word_in_tls_ends_the_bytes() {
    let authority = Authority::new();
    let mut listener = listen(authority.server()).await;
    let dialer = dialer(&listener, &authority.client());
    let there = async {
        let (mut io, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.map(|_| all)
    };
    let here = async {
        let mut io = dialer.dial().await.unwrap();
        io.write_all(b"abc").await.unwrap();
        io.flush().await.unwrap();
        drop(io);
    };
    let (there, ()) = tokio::join!(there, here);
    assert_eq!(there.unwrap(), b"abc");
}

#[tokio::test]
async fn certificates_are_read_again_and_a_bad_one_changes_nothing() {
    let (authority, next) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.sign("server", &["localhost"]);
    let server = ServerConfig::new(&certificate, &key).load().unwrap();
    let config = ListenConfig::new().tls(server.clone());
    let mut listener = Listener::bind(&"tls://:0".parse().unwrap(), config)
        .await
        .unwrap();
    let mut reaches = async |client: ClientConfig| {
        let dialer = dialer(&listener, &client);
        let there = async {
            let (mut io, _) = listener.accept().await.unwrap();
            io.read_u8().await
        };
        let here = async {
            let mut io = dialer.dial().await?;
            io.write_all(b"c").await?;
            io.flush().await
        };
        tokio::join!(there, here).1
    };
    reaches(authority.client()).await.unwrap();
    let (fresh, fresh_key) = next.sign("server", &["localhost"]);
    fs::copy(fresh, &certificate).unwrap();
    let error = server.reload().unwrap_err();
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    reaches(authority.client()).await.unwrap();
    fs::copy(fresh_key, &key).unwrap();
    server.reload().unwrap();
    reaches(next.client()).await.unwrap();
    reaches(authority.client()).await.unwrap_err();
}

#[test]
fn a_file_that_does_not_do_is_named() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("server", &["localhost"]);
    let text = |outcome: Result<Server, TlsError>| outcome.unwrap_err().to_string();
    let missing = text(ServerConfig::new(authority.file("none"), &key).load());
    assert!(missing.ends_with("none: cannot be read"), "{missing}");
    let swapped = text(ServerConfig::new(&key, &certificate).load());
    assert!(swapped.contains("server.key: no certificate in it"), "{swapped}");
    let no_key = text(ServerConfig::new(&certificate, &certificate).load());
    assert!(no_key.contains("server.crt: no private key in it"), "{no_key}");
    let nobody = ClientConfig::new().load().unwrap_err();
    assert!(matches!(nobody, TlsError::NoTrust));
    let name = authority.client().server_name("no name").load().unwrap_err();
    assert!(matches!(name, TlsError::BadName { .. }));
}

#[tokio::test]
async fn an_endpoint_of_tls_without_certificates_is_refused() {
    let endpoint: Endpoint = "tls://localhost:1".parse().unwrap();
    let error = Listener::bind(&endpoint, ListenConfig::new()).await.unwrap_err();
    assert!(matches!(error, EndpointError::Unfit { .. }), "{error}");
    let error = Dialer::new(&endpoint, DialConfig::new()).unwrap_err();
    assert!(matches!(error, EndpointError::Unfit { .. }), "{error}");
    let _: Box<dyn core::error::Error> = Box::new(error);
}
