//! An HTTP/2 server that takes a payment and breaks off in the ways that HTTP/2 calls safe to try
//! again. It answers GetInfo, so that a height is known.

use std::sync::Arc;

use h2::Reason;
use h2::server::SendResponse;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::codegen::Bytes;

use tightrope::lnd::Endpoint;
use tightrope::rpc::lnrpc;

use super::fake::{MACAROON, certificate, node_id};

/// How a payment is broken off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Break {
    /// The stream is refused: by the letter of HTTP/2, the request was not looked at.
    RefusedStream,
    /// The connection goes away and takes the stream with it.
    GoAway,
}

/// Starts the server: where it is, and the paths that it is asked for as they come.
pub(crate) async fn start(how: Break) -> (Endpoint, mpsc::Receiver<String>, JoinHandle<()>) {
    let (certificate, key) = certificate();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate that serves");
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Endpoint {
        socket: listener.local_addr().expect("an address").to_string(),
        certificate: Some(certificate.into_bytes()),
        macaroon: MACAROON.to_vec(),
    };
    let (asked, paths) = mpsc::channel(64);
    let server = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("a connection");
            let tls = acceptor.accept(tcp).await.expect("TLS");
            let mut connection = h2::server::handshake(tls).await.expect("HTTP/2");
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let path = request.uri().path().to_owned();
                asked.send(path.clone()).await.expect("a listener");
                match how {
                    _ if path.ends_with("GetInfo") => answer(respond),
                    Break::RefusedStream => respond.send_reset(Reason::REFUSED_STREAM),
                    Break::GoAway => connection.abrupt_shutdown(Reason::NO_ERROR),
                }
            }
        }
    });
    (endpoint, paths, server)
}

/// Answers GetInfo.
fn answer(mut respond: SendResponse<Bytes>) {
    let info = lnrpc::GetInfoResponse {
        identity_pubkey: node_id().to_string(),
        block_height: 450,
        chains: vec![lnrpc::Chain { network: "regtest".to_owned(), ..Default::default() }],
        ..Default::default()
    };
    // A gRPC frame: not compressed, the length in four bytes, the message.
    let message = info.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a small message");
    let frame = [&[0], length.to_be_bytes().as_slice(), &message].concat();
    let head = http::Response::builder().header("content-type", "application/grpc");
    let mut stream = respond.send_response(head.body(()).expect("a head"), false).expect("open");
    stream.send_data(frame.into(), false).expect("open");
    let status = http::HeaderName::from_static("grpc-status");
    let trailers = [(status, http::HeaderValue::from_static("0"))].into_iter().collect();
    stream.send_trailers(trailers).expect("open");
}
