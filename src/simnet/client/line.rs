//! [`Line`]: the way to a node, by its own certificate and with a macaroon.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How long a node on this machine may take to be connected to.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// A connection that shows a macaroon with every call. It is made when it is used, and again after
/// the node was away.
pub(in crate::simnet) type Line = InterceptedService<Channel, Macaroon>;

/// The connection to the node at `socket`, which shows exactly this certificate.
pub(in crate::simnet) fn channel(
    socket: SocketAddr,
    certificate: CertificateDer<'static>,
) -> Result<Channel, Error> {
    let connector = TlsConnector::from(Arc::new(pin(certificate)?));
    let connect = tower::service_fn(move |_: http::Uri| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(socket).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::from(socket.ip());
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    });
    // The scheme says http because the connector itself does the TLS.
    let endpoint = Endpoint::from_shared(format!("http://{socket}"));
    let endpoint = endpoint.expect("an address is a URI").connect_timeout(CONNECT_TIME_MAX);
    Ok(endpoint.connect_with_connector_lazy(connect))
}

/// The macaroon to show, in hex.
#[derive(Clone, Debug)]
pub(in crate::simnet) struct Macaroon(AsciiMetadataValue);

impl Macaroon {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let hex = data_encoding::HEXLOWER.encode(bytes);
        let mut value: AsciiMetadataValue = hex.parse().expect("hex is ASCII");
        value.set_sensitive(true);
        Self(value)
    }
}

impl Interceptor for Macaroon {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("macaroon", self.0.clone());
        Ok(request)
    }
}

/// TLS with exactly this certificate at the other end.
fn pin(certificate: CertificateDer<'static>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin { certificate, algorithms }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Accepts one certificate.
#[derive(Debug)]
struct Pin {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
