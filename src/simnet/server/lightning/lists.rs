//! Lists of invoices and payments, page by page, and new invoices as they come.

use tonic::codegen::BoxStream;

use super::super::Node;
use super::super::convert;
use super::super::events::{Pick, follow};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::invoice::InvoiceState as Told;
use crate::simnet::world::World;
use crate::simnet::world::invoice::{Invoice, InvoiceState};
use crate::simnet::world::node::Node as Own;
use crate::simnet::world::payment::PaymentState;

/// How many are listed where nobody says.
const PAGE: u64 = 100;

/// A page of a node's invoices.
pub(super) fn invoices(own: &Own, asked: &lnrpc::ListInvoiceRequest) -> lnrpc::ListInvoiceResponse {
    let wanted = own.invoices.values().filter(|invoice| {
        !asked.pending_only || matches!(invoice.state, InvoiceState::Open | InvoiceState::Accepted)
    });
    let most = if asked.num_max_invoices == 0 { PAGE } else { asked.num_max_invoices };
    let page = page(wanted, |it| it.add_index, asked.index_offset, most, asked.reversed);
    lnrpc::ListInvoiceResponse {
        first_index_offset: page.first().map_or(0, |it| it.add_index),
        last_index_offset: page.last().map_or(0, |it| it.add_index),
        invoices: page.into_iter().map(convert::invoices::invoice).collect(),
    }
}

/// A page of a node's payments.
pub(super) fn payments(
    world: &World,
    own: &Own,
    asked: &lnrpc::ListPaymentsRequest,
) -> lnrpc::ListPaymentsResponse {
    let wanted = own.payments.values().filter(|payment| {
        asked.include_incomplete || matches!(payment.state, PaymentState::Succeeded(_))
    });
    let most = if asked.max_payments == 0 { PAGE } else { asked.max_payments };
    let page = page(wanted, |it| it.index, asked.index_offset, most, asked.reversed);
    let total = u64::try_from(own.payments.len()).unwrap_or(u64::MAX);
    lnrpc::ListPaymentsResponse {
        first_index_offset: page.first().map_or(0, |it| it.index),
        last_index_offset: page.last().map_or(0, |it| it.index),
        total_num_payments: if asked.count_total_payments { total } else { 0 },
        payments: page.into_iter().map(|it| convert::payments::payment(world, it)).collect(),
    }
}

/// At most so many of `all`, oldest first: those after `offset`, or those before it where the
/// page is wanted in reverse.
fn page<'a, T>(
    all: impl Iterator<Item = &'a T>,
    index: impl Fn(&T) -> u64,
    offset: u64,
    most: u64,
    is_reversed: bool,
) -> Vec<&'a T> {
    let is_within = |it: &&T| {
        if is_reversed { offset == 0 || index(it) < offset } else { index(it) > offset }
    };
    let mut page: Vec<&T> = all.filter(is_within).collect();
    page.sort_unstable_by_key(|it| index(it));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if is_reversed {
        page.drain(..page.len().saturating_sub(most));
    } else {
        page.truncate(most);
    }
    page
}

impl Node {
    /// The invoices that were added and settled after the given indices, where any are given; then
    /// those that come.
    pub(super) fn follow_invoices(
        &self,
        asked: &lnrpc::InvoiceSubscription,
    ) -> BoxStream<lnrpc::Invoice> {
        let (begin, heard) = self.shared.listen(self.id, |world, streams| {
            let all = world.node(self.id).into_iter().flat_map(|own| own.invoices.values());
            let all: Vec<&Invoice> = all.collect();
            let mut added: Vec<&Invoice> = all
                .iter()
                .filter(|it| asked.add_index > 0 && it.add_index > asked.add_index)
                .copied()
                .collect();
            added.sort_unstable_by_key(|it| it.add_index);
            let mut settled: Vec<&Invoice> = all
                .iter()
                .filter(|it| asked.settle_index > 0 && it.settle_index > asked.settle_index)
                .copied()
                .collect();
            settled.sort_unstable_by_key(|it| it.settle_index);
            let begin = added.into_iter().chain(settled).map(convert::invoices::invoice);
            (begin.collect(), streams.invoices.subscribe())
        });
        follow(begin, heard, |invoice: lnrpc::Invoice| match invoice.state() {
            Told::Open | Told::Settled => Pick::Tell(invoice),
            Told::Accepted | Told::Canceled => Pick::Skip,
        })
    }
}
