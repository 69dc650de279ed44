//! rustls and webpki as a judge of our certificates.
//!
//!     rustls-judge serve CA CHAIN KEY [LISTS]            serves "hello" to clients with a certificate of CA, prints its port
//!     rustls-judge dial PORT NAME CA CHAIN KEY [LISTS]   asks a server at the loopback for its root page, prints the answer
//!
//! With LISTS what was revoked is refused, all the way up the chain.

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{pem::PemObject, CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["serve", ca, chain, key, lists @ ..] => serve(ca, chain, key, lists),
        ["dial", port, name, ca, chain, key, lists @ ..] => dial(port.parse()?, name, &[ca, chain, key], lists),
        _ => Err("serve or dial".into()),
    }
}

fn certificates(file: &str) -> Outcome<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?)
}

fn roots(file: &str) -> Outcome<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate)?;
    }
    Ok(Arc::new(store))
}

fn revocation_lists(files: &[&str]) -> Outcome<Vec<CertificateRevocationListDer<'static>>> {
    let mut lists = Vec::new();
    for file in files {
        lists.extend(CertificateRevocationListDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(lists)
}

fn serve(ca: &str, chain: &str, key: &str, lists: &[&str]) -> Outcome<()> {
    let verifier = WebPkiClientVerifier::builder(roots(ca)?).with_crls(revocation_lists(lists)?).build()?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(chain)?, PrivateKeyDer::from_pem_file(key)?)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let config = config.clone();
        let stream = stream?;
        // One that fails must not stop the next, nor may one that waits.
        std::thread::spawn(move || answer(config, stream).unwrap_or_else(|error| eprintln!("{error}")));
    }
    Ok(())
}

fn answer(config: Arc<ServerConfig>, stream: TcpStream) -> Outcome<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut tls = StreamOwned::new(ServerConnection::new(config)?, stream);
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && tls.read(&mut byte)? == 1 {
        request.push(byte[0]);
    }
    tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")?;
    tls.conn.send_close_notify();
    tls.flush()?;
    Ok(())
}

fn dial(port: u16, name: &str, files: &[&str; 3], lists: &[&str]) -> Outcome<()> {
    let [ca, chain, key] = files;
    let verifier = WebPkiServerVerifier::builder(roots(ca)?).with_crls(revocation_lists(lists)?).build()?;
    let config = ClientConfig::builder()
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(certificates(chain)?, PrivateKeyDer::from_pem_file(key)?)?;
    let name = ServerName::try_from(name.to_string())?;
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, stream);
    tls.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    // Servers may close without saying so once the answer is there.
    if let Err(error) = tls.read_to_string(&mut text) {
        if text.is_empty() {
            return Err(error.into());
        }
    }
    print!("{}", text.split("\r\n\r\n").nth(1).unwrap_or(""));
    Ok(())
}
