//! The fields of each message, by the names that the protocol gives them.
//!
//! A field that is `null` is as good as missing. Fields that are not known are passed over; the
//! signatures have covered them all the same.

use std::str::FromStr;
use std::time::Duration;

use super::envelope::INTEGER_MAX;
use super::fault::Fault;
use super::json::{Object, Scalar};
use super::proof;
use super::seal::Seal;
use super::text::{ALIAS_CHARS_MAX, CODE_CHARS_MAX, REASON_CHARS_MAX, clean};
use crate::core::message::{Hello, Message, PayInvoice, PaymentResult, PeerPolicy};
use crate::ids::{NodeId, PeerKey};
use crate::time::{Time, whole_ms};
use crate::units::{Ppm, Sat};

/// How far ahead a peer's `retryAt` is believed: longer, and a peer could silence us.
const RETRY_MAX: Duration = Duration::from_secs(60 * 60);

/// The most characters of an invoice, as LND has it. So the echo of a request is never longer
/// than a document may be.
const INVOICE_BYTES_MAX: usize = 7_089;

/// What is known about a message besides its fields.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) seal: &'a Seal,
    pub(super) from: PeerKey,
    pub(super) wall: Time,
}

/// The type of a message.
pub(super) fn kind(fields: &Object) -> Result<&str, Fault> {
    fields.text("type")?.ok_or(Fault::BadField { field: "type" })
}

/// Reads the fields of a message; `None` where its type is not known.
pub(super) fn read(fields: &Object, context: &Context<'_>) -> Result<Option<Message>, Fault> {
    Ok(Some(match kind(fields)? {
        "hello" => Message::Hello(read_hello(fields, context)?),
        "payInvoice" => Message::PayInvoice(read_request(fields)?),
        "paymentResult" => Message::PaymentResult(read_result(fields, context.wall)?),
        "policy" => Message::Policy(read_policy(fields)?),
        _ => return Ok(None),
    }))
}

/// The fields of a message that leaves at `wall`.
pub(super) fn write(message: &Message, wall: Time) -> Object {
    let mut fields = Object::default();
    match message {
        Message::Hello(hello) => write_hello(&mut fields, hello),
        Message::PayInvoice(request) => {
            fields.put("type", "payInvoice");
            write_request(&mut fields, request);
        }
        Message::PaymentResult(result) => write_result(&mut fields, result, wall),
        Message::Policy(policy) => write_policy(&mut fields, policy),
    }
    fields
}

fn read_hello(fields: &Object, context: &Context<'_>) -> Result<Hello, Fault> {
    let node: NodeId = fields.required("publicKey")?;
    let version = fields.integer("version")?;
    if version == Some(0) {
        return Err(Fault::BadField { field: "version" });
    }
    // The signature of the cluster covers nodeId, not publicKey.
    match fields.parsed::<NodeId>("nodeId")? {
        Some(named) if named != node => return Err(Fault::NodesDiffer),
        None if version.is_some() => return Err(Fault::BadField { field: "nodeId" }),
        Some(_) | None => {}
    }
    let proof = fields.text("proof")?;
    let claim = || context.seal.claim_of(context.from, node);
    if proof.is_some_and(|proof| !proof::holds(proof, &claim(), node)) {
        return Err(Fault::BadProof { node });
    }
    let alias = clean(fields.text("alias")?.unwrap_or_default(), ALIAS_CHARS_MAX);
    Ok(Hello { node, alias, version, proof: proof.map(str::to_owned) })
}

fn write_hello(fields: &mut Object, hello: &Hello) {
    fields.put("type", "hello");
    fields.put("publicKey", &hello.node.to_string());
    fields.put("alias", &clean(&hello.alias, ALIAS_CHARS_MAX));
    if let Some(version) = hello.version {
        fields.put_number("version", version);
        fields.put("nodeId", &hello.node.to_string());
    }
    fields.put_some("proof", hello.proof.as_deref());
}

fn read_request(fields: &Object) -> Result<PayInvoice, Fault> {
    let invoice = fields.text("invoice")?.filter(|text| text.len() <= INVOICE_BYTES_MAX);
    let request = PayInvoice {
        invoice: invoice.ok_or(Fault::BadField { field: "invoice" })?.to_owned(),
        tokens: fields.sat("tokens").filter(|tokens| tokens.sat() > 0),
        scid: fields.parsed("channelId")?,
        point: fields.parsed("channelPoint")?,
        paid_to: fields.required("paidTo")?,
        paid_by: fields.required("paidBy")?,
        rebalance: fields.parsed("rebalanceId")?,
    };
    if request.scid.is_none() && request.point.is_none() {
        return Err(Fault::BadField { field: "channelId" });
    }
    Ok(request)
}

fn write_request(fields: &mut Object, request: &PayInvoice) {
    fields.put("invoice", &request.invoice);
    fields.put_some("tokens", request.tokens.map(|tokens| tokens.sat().to_string()));
    fields.put_some("channelId", request.scid.map(|scid| scid.to_string()));
    fields.put_some("channelPoint", request.point.map(|point| point.to_string()));
    fields.put("paidTo", &request.paid_to.to_string());
    fields.put("paidBy", &request.paid_by.to_string());
    fields.put_some("rebalanceId", request.rebalance.map(|rebalance| rebalance.to_string()));
}

fn read_result(fields: &Object, wall: Time) -> Result<PaymentResult, Fault> {
    let reason = fields.text("reason")?.map(|text| clean(text, REASON_CHARS_MAX));
    let retry_at = fields.number("retryAt")?.map(whole_part);
    Ok(PaymentResult {
        request: read_request(fields)?,
        is_allowed: fields.flag("allow")?.unwrap_or(false),
        reason,
        retry_in: retry_at.map(|at| at.since(wall).min(RETRY_MAX)),
        hash: fields.parsed("paymentId")?,
        is_confirmed: fields.flag("confirmed")?.unwrap_or(false),
        refusal: fields.text("refusal")?.map(|text| clean(text, CODE_CHARS_MAX)),
        max: fields.sat("maxTokens"),
    })
}

/// A result as the original gives it: `paymentId` and `confirmedAt` are always there.
fn write_result(fields: &mut Object, result: &PaymentResult, wall: Time) {
    write_request(fields, &result.request);
    fields.put("type", "paymentResult");
    fields.insert("allow", Scalar::Bool(result.is_allowed));
    let reason = result.reason.as_deref();
    fields.put_some("reason", reason.map(|text| clean(text, REASON_CHARS_MAX)));
    if let Some(retry_in) = result.retry_in {
        fields.put_number("retryAt", wall.unix_ms().saturating_add(whole_ms(retry_in)));
    }
    let hash = result.hash.map(|hash| hash.to_string());
    let confirmed_at = result.is_confirmed.then(|| wall.to_string());
    for (name, value) in [("paymentId", hash), ("confirmedAt", confirmed_at)] {
        fields.insert(name, value.map_or(Scalar::Null, |text| Scalar::text(&text)));
    }
    fields.insert("confirmed", Scalar::Bool(result.is_confirmed));
    let refusal = result.refusal.as_deref();
    fields.put_some("refusal", refusal.map(|code| clean(code, CODE_CHARS_MAX)));
    fields.put_some("maxTokens", result.max.map(|max| max.sat().to_string()));
}

fn read_policy(fields: &Object) -> Result<PeerPolicy, Fault> {
    let share = |name| {
        let ppm = fields.integer(name)?.and_then(|ppm| u32::try_from(ppm).ok());
        ppm.and_then(Ppm::new).ok_or(Fault::BadField { field: name })
    };
    let max = fields.sat("maxTransactionSize");
    Ok(PeerPolicy {
        point: fields.required("channelPoint")?,
        balance_point: share("balancePoint")?,
        deadzone: share("deadzone")?,
        payment_max: max.ok_or(Fault::BadField { field: "maxTransactionSize" })?.msat(),
        is_paused: fields.flag("paused")?.ok_or(Fault::BadField { field: "paused" })?,
    })
}

fn write_policy(fields: &mut Object, policy: &PeerPolicy) {
    fields.put("type", "policy");
    fields.put("channelPoint", &policy.point.to_string());
    fields.put_number("balancePoint", policy.balance_point.ppm().into());
    fields.put_number("deadzone", policy.deadzone.ppm().into());
    fields.put("maxTransactionSize", &policy.payment_max.sat().sat().to_string());
    fields.insert("paused", Scalar::Bool(policy.is_paused));
}

/// The whole milliseconds of a number as ECMAScript prints it: none below zero.
fn whole_part(number: &str) -> Time {
    let whole = number.split('.').next().unwrap_or_default();
    let ms = match number.split_once('e') {
        _ if number.starts_with('-') => 0,
        Some((_, exponent)) if exponent.starts_with('-') => 0,
        Some(_) => u64::MAX,
        None => whole.parse().unwrap_or(u64::MAX),
    };
    Time::from_unix_ms(ms)
}

/// Typed fields.
impl Object {
    fn put(&mut self, name: &'static str, text: &str) {
        self.insert(name, Scalar::text(text));
    }

    fn put_some(&mut self, name: &'static str, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.put(name, text.as_ref());
        }
    }

    /// At most the largest integer that a JavaScript peer reads as it was written.
    fn put_number(&mut self, name: &'static str, number: u64) {
        self.insert(name, Scalar::Number(number.min(INTEGER_MAX).to_string()));
    }

    fn text(&self, field: &'static str) -> Result<Option<&str>, Fault> {
        match self.value(field) {
            None | Some(Scalar::Null) => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(&text.text)),
            Some(Scalar::Bool(_) | Scalar::Number(_)) => Err(Fault::BadField { field }),
        }
    }

    fn flag(&self, field: &'static str) -> Result<Option<bool>, Fault> {
        match self.value(field) {
            None | Some(Scalar::Null) => Ok(None),
            Some(Scalar::Bool(flag)) => Ok(Some(*flag)),
            Some(Scalar::Text(_) | Scalar::Number(_)) => Err(Fault::BadField { field }),
        }
    }

    /// A number as ECMAScript prints it.
    fn number(&self, field: &'static str) -> Result<Option<&str>, Fault> {
        match self.value(field) {
            None | Some(Scalar::Null) => Ok(None),
            Some(Scalar::Number(text)) => Ok(Some(text)),
            Some(Scalar::Text(_) | Scalar::Bool(_)) => Err(Fault::BadField { field }),
        }
    }

    fn integer(&self, field: &'static str) -> Result<Option<u64>, Fault> {
        let integer = |text: &str| text.parse().ok().filter(|number| *number <= INTEGER_MAX);
        let number = self.number(field)?;
        number.map(|text| integer(text).ok_or(Fault::BadField { field })).transpose()
    }

    /// Satoshis in decimal digits without a leading zero; anything else is none.
    fn sat(&self, field: &'static str) -> Option<Sat> {
        let digits = self.text(field).ok()??;
        let is_number = digits.bytes().all(|b| b.is_ascii_digit());
        let is_plain = digits == "0" || !digits.starts_with('0');
        digits.parse().ok().filter(|_| is_number && is_plain).map(Sat::new)
    }

    fn parsed<T: FromStr>(&self, field: &'static str) -> Result<Option<T>, Fault> {
        let text = self.text(field)?;
        text.map(|text| text.parse().map_err(|_| Fault::BadField { field })).transpose()
    }

    fn required<T: FromStr>(&self, field: &'static str) -> Result<T, Fault> {
        self.parsed(field)?.ok_or(Fault::BadField { field })
    }
}
