//! [`Rpc`]: a node's gRPC, as the owner of the node uses it from outside the daemon.
//!
//! It shares nothing with the daemon's own edge but the messages.

use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tightrope::rpc::invoicesrpc::invoices_client::InvoicesClient;
use tightrope::rpc::lnrpc::lightning_client::LightningClient;
use tightrope::rpc::lnrpc::state_client::StateClient;
use tightrope::rpc::routerrpc::router_client::RouterClient;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};

/// A connection that shows a macaroon with every call.
pub(crate) type Authenticated = InterceptedService<Channel, Macaroon>;

/// A node's services. It connects when it is used, and again after the node was away.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    channel: Channel,
    macaroon: Macaroon,
}

impl Rpc {
    /// The services of the node at `address` with this certificate; no macaroon is needed yet.
    pub(crate) fn new(address: String, certificate: CertificateDer<'static>) -> Self {
        let uri = format!("http://{address}");
        let connector = TlsConnector::from(Arc::new(pin(certificate)));
        let connect = tower::service_fn(move |_: Uri| {
            let (connector, address) = (connector.clone(), address.clone());
            async move {
                let stream = TcpStream::connect(&address).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
            }
        });
        let endpoint = Endpoint::from_shared(uri).expect("an address");
        Self { channel: endpoint.connect_with_connector_lazy(connect), macaroon: Macaroon(None) }
    }

    /// Shows the macaroon of this file from here on.
    pub(crate) fn show(&mut self, macaroon: &Path) {
        self.show_bytes(&std::fs::read(macaroon).expect("a macaroon"));
    }

    /// Shows this macaroon from here on.
    pub(crate) fn show_bytes(&mut self, macaroon: &[u8]) {
        let hex = data_encoding::HEXLOWER.encode(macaroon);
        self.macaroon = Macaroon(Some(hex.parse().expect("hex is ASCII")));
    }

    /// The same services with another macaroon, or none.
    pub(crate) fn with(&self, macaroon: Option<&str>) -> Self {
        let macaroon = macaroon.map(|text| text.parse().expect("ASCII"));
        Self { channel: self.channel.clone(), macaroon: Macaroon(macaroon) }
    }

    /// The service that answers while the node starts.
    pub(crate) fn state(&self) -> StateClient<Channel> {
        StateClient::new(self.channel.clone())
    }

    /// The main service.
    pub(crate) fn lightning(&self) -> LightningClient<Authenticated> {
        // A node with a hundred channels answers in more than the 4 MiB that tonic allows.
        LightningClient::with_interceptor(self.channel.clone(), self.macaroon.clone())
            .max_decoding_message_size(64 << 20)
    }

    /// The service of invoices that are held.
    pub(crate) fn invoices(&self) -> InvoicesClient<Authenticated> {
        InvoicesClient::with_interceptor(self.channel.clone(), self.macaroon.clone())
    }

    /// The service that pays.
    pub(crate) fn router(&self) -> RouterClient<Authenticated> {
        RouterClient::with_interceptor(self.channel.clone(), self.macaroon.clone())
    }
}

/// Reads a node's certificate, if it is there and whole.
pub(crate) fn certificate(path: &Path) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_file(path).ok()
}

/// The macaroon to show.
#[derive(Clone, Debug)]
pub(crate) struct Macaroon(Option<AsciiMetadataValue>);

impl Interceptor for Macaroon {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(macaroon) = &self.0 {
            request.metadata_mut().insert("macaroon", macaroon.clone());
        }
        Ok(request)
    }
}

/// TLS with exactly this certificate at the other end.
fn pin(certificate: CertificateDer<'static>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider's own versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin { certificate, algorithms }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
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
