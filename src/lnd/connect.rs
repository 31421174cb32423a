//! The way to a node: TCP, TLS with the node's own certificate, HTTP/2, the macaroon.
//!
//! lnd signs its certificate itself and marks it as an authority's, which no ordinary verifier
//! accepts as a server's. So the very certificate that is configured is accepted as it is, byte
//! for byte, and any other only as the ordinary rules have it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint as Route};

use super::Endpoint;
use super::error::LndError;
use super::meter::Meter;

/// How long TCP and TLS may take, before the node counts as unreachable.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How often a silent connection is tested: streams are silent for hours, and a dead one must
/// be noticed. lnd allows a ping every 5 s from 0.17 on.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long the answer to such a test may take.
const KEEPALIVE_TIME_MAX: Duration = Duration::from_secs(20);

/// A connection that is made when it is first needed and again whenever it broke, and the
/// macaroon that goes with each call. A call is handed to one connection once: nothing below
/// repeats it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    channel: Channel,
    /// Marked as sensitive: it prints as such, and is not kept by the header compression.
    macaroon: http::HeaderValue,
    /// Told of each call.
    meter: Option<Meter>,
}

impl Line {
    /// The same line, on which `meter` counts.
    pub(super) fn metered(self, meter: Meter) -> Self {
        Self { meter: Some(meter), ..self }
    }

    /// A line to `endpoint`. Must be called inside a Tokio runtime, which then runs it.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, LndError> {
        let fault = |part, expected| LndError::BadEndpoint { part, expected };
        let bad_socket = || fault("socket", "host:port, such as 127.0.0.1:10009");
        let (host, port) = endpoint.socket.rsplit_once(':').ok_or_else(bad_socket)?;
        let port: u16 = port.parse().map_err(|_| bad_socket())?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| bad_socket())?;
        if endpoint.macaroon.is_empty() {
            return Err(fault("macaroon", "the bytes of a macaroon"));
        }
        let hex = data_encoding::HEXLOWER.encode(&endpoint.macaroon);
        let mut macaroon = http::HeaderValue::try_from(hex)
            .map_err(|_| fault("macaroon", "the bytes of a macaroon"))?;
        macaroon.set_sensitive(true);

        let tls = TlsConnector::from(Arc::new(tls(endpoint.certificate.as_deref())?));
        let connector = tower::service_fn(move |_: http::Uri| {
            let (tls, name, host) = (tls.clone(), name.clone(), host.clone());
            async move {
                let tcp = TcpStream::connect((host.as_str(), port)).await?;
                tcp.set_nodelay(true)?;
                tls.connect(name, tcp).await.map(TokioIo::new)
            }
        });
        // The scheme says http because the connector itself does the TLS.
        let route = Route::from_shared(format!("http://{}", endpoint.socket))
            .map_err(|_| bad_socket())?
            .connect_timeout(CONNECT_TIME_MAX)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIME_MAX)
            .keep_alive_while_idle(true);
        Ok(Self { channel: route.connect_with_connector_lazy(connector), macaroon, meter: None })
    }
}

impl tower::Service<http::Request<Body>> for Line {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // Counted by method, these lines tell what the daemon costs a node.
        tracing::debug!(target: "tightrope::lnd::rpc", rpc = request.uri().path());
        request.headers_mut().insert("macaroon", self.macaroon.clone());
        let mut timing = self.meter.as_ref().and_then(|meter| meter.begin(request.uri().path()));
        let call = self.channel.call(request);
        Box::pin(async move {
            let answer = call.await;
            if let Some(timing) = &mut timing {
                timing.note(answer.as_ref().ok().map(http::Response::headers));
            }
            answer
        })
    }
}

/// The TLS of a client that trusts `certificate`, or, without one, the public authorities.
fn tls(certificate: Option<&[u8]>) -> Result<ClientConfig, LndError> {
    let bad_certificate =
        || LndError::BadEndpoint { part: "cert", expected: "a certificate in PEM" };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let pinned: Vec<_> = CertificateDer::pem_slice_iter(certificate.unwrap_or_default())
        .collect::<Result<_, _>>()
        .map_err(|_| bad_certificate())?;
    let mut roots = RootCertStore::empty();
    if certificate.is_none() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else if pinned.is_empty() {
        return Err(bad_certificate());
    }
    roots.add_parsable_certificates(pinned.iter().cloned());
    let otherwise = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
        .build()
        .map_err(|_| bad_certificate())?;
    let verifier = Pinned { pinned, otherwise, provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| bad_certificate())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Accepts the configured certificates as they are, and any other as the ordinary rules have it.
#[derive(Debug)]
struct Pinned {
    pinned: Vec<CertificateDer<'static>>,
    otherwise: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.otherwise.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
