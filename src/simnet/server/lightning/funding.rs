//! Channels that a node opens, closes and asks fees for.

use tonic::Status;
use tonic::codegen::BoxStream;

use super::super::Node;
use super::super::convert;
use super::super::events::{Pick, follow};
use super::{channel_point, node_id};
use crate::ids::{ChannelPoint, NodeId};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::channel_event_update::Channel as Event;
use crate::rpc::lnrpc::close_status_update::Update as Closing;
use crate::rpc::lnrpc::open_status_update::Update as Opening;
use crate::rpc::lnrpc::policy_update_request::Scope;
use crate::simnet::world::channel::Policy;
use crate::simnet::world::{NewChannel, Terms, World};
use crate::units::{Msat, Sat};

/// What a transaction pays where nobody says, in sat per vbyte: what lnd takes where it cannot
/// estimate.
const SAT_PER_VBYTE: u64 = 25;

impl Node {
    /// Opens a channel.
    pub(super) fn fund(&self, asked: &lnrpc::OpenChannelRequest) -> Result<ChannelPoint, Status> {
        let wanted = self.wanted(asked)?;
        self.shared.with(|world, _| open(world, wanted))
    }

    /// Opens a channel, and tells how it goes on.
    pub(super) fn open(
        &self,
        asked: &lnrpc::OpenChannelRequest,
    ) -> Result<BoxStream<lnrpc::OpenStatusUpdate>, Status> {
        let wanted = self.wanted(asked)?;
        let (point, heard) = self.shared.listen(self.id, |world, streams| {
            let heard = streams.channels.subscribe();
            open(world, wanted).map(|point| (point, heard))
        })?;
        let id = point.txid().to_vec();
        let told = move |update| lnrpc::OpenStatusUpdate {
            pending_chan_id: id.clone(),
            update: Some(update),
        };
        let begin = told(Opening::ChanPending(lnrpc::PendingUpdate {
            txid: convert::txid(point.txid()),
            output_index: point.vout(),
            ..Default::default()
        }));
        let name = point.to_string();
        Ok(follow(vec![begin], heard, move |event: lnrpc::ChannelEventUpdate| {
            match event.channel {
                Some(Event::OpenChannel(channel)) if channel.channel_point == name => {
                    let channel_point = Some(convert::point(point));
                    Pick::End(told(Opening::ChanOpen(lnrpc::ChannelOpenUpdate { channel_point })))
                }
                Some(_) | None => Pick::Skip,
            }
        }))
    }

    /// Closes a channel, and tells how it goes on.
    pub(super) fn close(
        &self,
        asked: lnrpc::CloseChannelRequest,
    ) -> Result<BoxStream<lnrpc::CloseStatusUpdate>, Status> {
        let point = channel_point(asked.channel_point.as_ref())?;
        let (closing, heard) = self.shared.listen(self.id, |world, streams| {
            let heard = streams.channels.subscribe();
            let closing = world.close(self.id, point, asked.force);
            let closing = closing.map_err(|error| Status::unknown(error.to_string()))?;
            Ok::<_, Status>((closing, heard))
        })?;
        let txid = convert::txid(closing.txid);
        let told = |update| lnrpc::CloseStatusUpdate { update: Some(update) };
        let begin = told(Closing::ClosePending(lnrpc::PendingUpdate {
            txid: txid.clone(),
            local_close_tx: true,
            ..Default::default()
        }));
        let name = point.to_string();
        Ok(follow(vec![begin], heard, move |event: lnrpc::ChannelEventUpdate| {
            match event.channel {
                Some(Event::ClosedChannel(channel)) if channel.channel_point == name => {
                    Pick::End(told(Closing::ChanClose(lnrpc::ChannelCloseUpdate {
                        closing_txid: txid.clone(),
                        success: true,
                    })))
                }
                Some(_) | None => Pick::Skip,
            }
        }))
    }

    /// Sets what the node asks of HTLCs, over one of its channels or all.
    pub(super) fn set_policies(
        &self,
        asked: &lnrpc::PolicyUpdateRequest,
    ) -> Result<lnrpc::PolicyUpdateResponse, Status> {
        let only = match asked.scope.as_ref() {
            Some(Scope::ChanPoint(point)) => Some(channel_point(Some(point))?),
            Some(Scope::Global(_)) => None,
            None => return Err(Status::unknown("no channel to update")),
        };
        let fee_base = u64::try_from(asked.base_fee_msat)
            .map_err(|_| Status::unknown("base_fee_msat must not be negative"))?;
        self.shared.with(|world, _| {
            let own: Vec<(ChannelPoint, Policy)> = world
                .channels_of(self.id)
                .filter(|(channel, _)| only.is_none_or(|only| channel.point == only))
                .map(|(channel, side)| (channel.point, channel.policies[side]))
                .collect();
            for (point, policy) in own {
                let most = match asked.max_htlc_msat {
                    0 => policy.htlc_max,
                    most => Msat::new(most),
                };
                let least = asked.min_htlc_msat_specified.then(|| Msat::new(asked.min_htlc_msat));
                let policy = Policy {
                    fee_base: Msat::new(fee_base),
                    fee_ppm: asked.fee_rate_ppm.into(),
                    time_lock_delta: asked.time_lock_delta,
                    htlc_min: least.unwrap_or(policy.htlc_min),
                    htlc_max: most,
                };
                world.set_policy(self.id, point, policy);
            }
        });
        Ok(lnrpc::PolicyUpdateResponse::default())
    }

    /// A channel as it is asked for.
    fn wanted(&self, asked: &lnrpc::OpenChannelRequest) -> Result<NewChannel, Status> {
        if asked.zero_conf || asked.scid_alias || asked.fund_max {
            return Err(Status::unimplemented(
                "a simulated channel has its funding in a block, and an amount",
            ));
        }
        let to = match asked.node_pubkey.as_slice() {
            [] => node_id(&asked.node_pubkey_string)?,
            bytes => {
                NodeId::from_slice(bytes).map_err(|error| Status::unknown(error.to_string()))?
            }
        };
        if to == self.id {
            return Err(Status::unknown("cannot open channel to self"));
        }
        let sat = |amount: i64, what: &str| {
            let amount = u64::try_from(amount);
            amount.map(Sat::new).map_err(|_| Status::unknown(format!("{what} must be positive")))
        };
        Ok(NewChannel {
            from: self.id,
            to,
            capacity: sat(asked.local_funding_amount, "local_funding_amount")?,
            push: sat(asked.push_sat, "push_sat")?,
            is_private: asked.private,
            sat_per_vbyte: match asked.sat_per_vbyte {
                0 => SAT_PER_VBYTE,
                rate => rate,
            },
            terms: Terms {
                fee_base: asked.use_base_fee.then(|| Msat::new(asked.base_fee)),
                fee_ppm: asked.use_fee_rate.then_some(asked.fee_rate),
                htlc_min: u64::try_from(asked.min_htlc_msat)
                    .ok()
                    .filter(|least| *least > 0)
                    .map(Msat::new),
            },
        })
    }
}

fn open(world: &mut World, wanted: NewChannel) -> Result<ChannelPoint, Status> {
    world.open(wanted).map_err(|error| Status::unknown(error.to_string()))
}
