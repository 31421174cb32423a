//! [`Recorder`]: all that two nodes answer and tell, in the order in which it comes, as plain data.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde::Serialize;
use serde_json::{Value, json};
use tightrope::rpc::{invoicesrpc, lnrpc, routerrpc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tonic::{Response, Status, Streaming};

use crate::harness::node::Node;
use crate::harness::wait;

/// Nothing more comes when nothing has come for so long: the last event of a payment comes 30 ms
/// after its answer.
const QUIET: Duration = Duration::from_millis(400);
/// How long an act may take to become quiet.
const QUIET_LIMIT: Duration = Duration::from_secs(20);

/// What LND's messages look like, from `proto/`.
static MESSAGES: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let names = ["lightning.proto", "router.proto", "invoices.proto", "state.proto"];
    let files = protox::compile(names, [protos]).expect("protos that compile");
    DescriptorPool::from_file_descriptor_set(files).expect("whole protos")
});

/// Something that a node answered or told.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// In which act.
    pub(crate) act: String,
    /// When, in microseconds since the act began.
    pub(crate) at_us: u64,
    /// The node's alias.
    pub(crate) node: &'static str,
    /// The call, such as `GetInfo`; of a stream, each message of it is one entry.
    pub(crate) call: String,
    /// The message with all its fields, or `{"error": …}`.
    pub(crate) said: Value,
}

/// What has been heard so far.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    page: Arc<Mutex<Page>>,
}

#[derive(Debug)]
struct Page {
    act: String,
    began: Instant,
    heard: Instant,
    is_listening: bool,
    entries: Vec<Entry>,
    /// The streams that are listened to.
    streams: JoinSet<()>,
}

impl Recorder {
    /// One that has heard nothing.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let (entries, streams) = (Vec::new(), JoinSet::new());
        let act = String::new();
        let page = Page { act, began: now, heard: now, is_listening: true, entries, streams };
        Self { page: Arc::new(Mutex::new(page)) }
    }

    /// Begins an act of the story.
    pub(crate) fn act(&self, name: &str) {
        self.with(|page| {
            name.clone_into(&mut page.act);
            page.began = Instant::now();
        });
    }

    /// Notes what a node answered to a call, and hands it on.
    pub(crate) fn note<M: Message + Default>(
        &self,
        node: &Node,
        call: &str,
        answer: Result<Response<M>, Status>,
    ) -> Result<M, Status> {
        let answer = answer.map(Response::into_inner);
        self.hear(node.alias(), call, answer.as_ref());
        answer
    }

    /// Notes each message of a stream from here on, until it ends. A node that has nothing to say
    /// does not even say that it listens.
    pub(crate) fn follow<M: Message + Default + 'static>(
        &self,
        node: &Node,
        call: &str,
        stream: impl Future<Output = Result<Response<Streaming<M>>, Status>> + Send + 'static,
    ) -> AbortHandle {
        let (recorder, node, call) = (self.clone(), node.alias(), call.to_owned());
        self.with(|page| {
            page.heard = Instant::now();
            page.streams.spawn(async move {
                let mut stream = match stream.await {
                    Ok(stream) => stream.into_inner(),
                    Err(status) => return recorder.hear::<M>(node, &call, Err(&status)),
                };
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => recorder.hear(node, &call, Ok(&message)),
                        Ok(None) => return recorder.hear_plain(node, &call, json!("the end")),
                        Err(status) => return recorder.hear::<M>(node, &call, Err(&status)),
                    }
                }
            })
        })
    }

    /// Listens to all that a node tells of its channels and HTLCs, as the daemon does.
    pub(crate) fn listen(&self, node: &Node) {
        let request = lnrpc::ChannelEventSubscription {};
        let mut lightning = node.rpc().lightning();
        let stream = async move { lightning.subscribe_channel_events(request).await };
        self.follow(node, "SubscribeChannelEvents", stream);
        let request = routerrpc::SubscribeHtlcEventsRequest {};
        let mut router = node.rpc().router();
        let stream = async move { router.subscribe_htlc_events(request).await };
        self.follow(node, "SubscribeHtlcEvents", stream);
    }

    /// Listens to what becomes of an invoice.
    pub(crate) fn watch(&self, node: &Node, r_hash: Vec<u8>) -> AbortHandle {
        let request = invoicesrpc::SubscribeSingleInvoiceRequest { r_hash };
        let mut invoices = node.rpc().invoices();
        let stream = async move { invoices.subscribe_single_invoice(request).await };
        self.follow(node, "SubscribeSingleInvoice", stream)
    }

    /// Waits until the nodes say nothing more.
    pub(crate) async fn quiet(&self) {
        wait::until("the nodes say nothing more", QUIET_LIMIT, async || {
            let heard = self.with(|page| page.heard);
            if heard.elapsed() >= QUIET {
                return Some(());
            }
            sleep(QUIET - heard.elapsed()).await;
            None
        })
        .await;
    }

    /// Does something of which nothing is noted.
    pub(crate) async fn aside<T>(&self, doing: impl AsyncFnOnce() -> T) -> T {
        self.with(|page| page.is_listening = false);
        let done = doing().await;
        self.quiet().await;
        self.with(|page| page.is_listening = true);
        done
    }

    /// How many entries of the current act are such.
    pub(crate) fn count(&self, probe: impl Fn(&Entry) -> bool) -> usize {
        self.with(|page| page.entries.iter().filter(|e| e.act == page.act && probe(e)).count())
    }

    /// All that was heard.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.with(|page| page.entries.clone())
    }

    fn hear<M: Message + Default>(
        &self,
        node: &'static str,
        call: &str,
        said: Result<&M, &Status>,
    ) {
        let said = match said {
            Ok(message) => plain(call, message),
            Err(status) => json!({ "error": {
                "code": format!("{:?}", status.code()),
                "message": status.message(),
            }}),
        };
        self.hear_plain(node, call, said);
    }

    /// Notes something of a node that is no message.
    pub(crate) fn hear_plain(&self, node: &'static str, call: &str, said: Value) {
        self.with(|page| {
            page.heard = Instant::now();
            let at_us = u64::try_from(page.began.elapsed().as_micros()).expect("a short act");
            if page.is_listening {
                let (act, call) = (page.act.clone(), call.to_owned());
                page.entries.push(Entry { act, at_us, node, call, said });
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Page) -> T) -> T {
        look(&mut self.page.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A message as JSON, all its fields under their names in `proto/`, what is zero too.
fn plain<M: Message>(call: &str, message: &M) -> Value {
    let methods = MESSAGES.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let mut methods = methods.filter(|method| method.name() == call);
    let kind = methods.next().unwrap_or_else(|| panic!("no call is {call}")).output();
    let message = DynamicMessage::decode(kind, message.encode_to_vec().as_slice());
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true);
    let message = message.expect("a message of that kind");
    message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON")
}
