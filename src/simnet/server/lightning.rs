//! LND's service `Lightning`: what a node is and has, its invoices, its channels.
//!
//! What is more than a look at the world is in the rooms behind: opening and closing in
//! `funding`, lists of invoices and payments in `lists`.

use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::Node;
use super::convert::{channels, graph, invoices, node, signed};
use super::events::{Pick, begun, follow};
use super::invoices::{amount, cltv, hash, memo, preimage, to_live};
use crate::ids::{ChannelPoint, NodeId, Scid};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::lightning_server::Lightning;
use crate::simnet::permissions::{self, Permission};
use crate::simnet::world;
use crate::simnet::world::World;
use crate::simnet::world::channel::{Channel, Side};
use crate::simnet::world::invoice::{Lock, NewInvoice};

mod funding;
mod lists;

#[tonic::async_trait]
impl Lightning for Node {
    async fn get_info(
        &self,
        _: Request<lnrpc::GetInfoRequest>,
    ) -> Result<Response<lnrpc::GetInfoResponse>, Status> {
        self.see(|world, own| Ok(node::info(world, own)))
    }

    async fn list_channels(
        &self,
        request: Request<lnrpc::ListChannelsRequest>,
    ) -> Result<Response<lnrpc::ListChannelsResponse>, Status> {
        let asked = request.into_inner();
        if !asked.peer.is_empty() && asked.peer.len() != 33 {
            return Err(Status::unknown(format!(
                "invalid `peer` key: invalid vertex length of {}, want 33",
                asked.peer.len()
            )));
        }
        self.see(|world, own| {
            let is_wanted = |(channel, side): &(&Channel, Side)| {
                channel.is_open()
                    && (asked.peer.is_empty()
                        || asked.peer == channel.ends[side.other()].as_bytes())
                    && (!asked.active_only || channel.is_active)
                    && (!asked.inactive_only || !channel.is_active)
                    && (!asked.public_only || !channel.is_private)
                    && (!asked.private_only || channel.is_private)
            };
            let told = told_channels(world, own).into_iter().filter(is_wanted);
            let told = told.map(|(channel, side)| {
                let mut told = channels::channel(world, channel, side);
                if asked.peer_alias_lookup {
                    let other = world.node(channel.ends[side.other()]);
                    told.peer_alias = other.map_or_else(String::new, |it| it.alias.clone());
                }
                told
            });
            Ok(lnrpc::ListChannelsResponse { channels: told.collect() })
        })
    }

    async fn subscribe_channel_events(
        &self,
        _: Request<lnrpc::ChannelEventSubscription>,
    ) -> Result<Response<BoxStream<lnrpc::ChannelEventUpdate>>, Status> {
        let heard = self.shared.listen(self.id, |_, streams| streams.channels.subscribe());
        Ok(Response::new(begun(follow(Vec::new(), heard, Pick::Tell)).await))
    }

    async fn get_chan_info(
        &self,
        request: Request<lnrpc::ChanInfoRequest>,
    ) -> Result<Response<lnrpc::ChannelEdge>, Status> {
        let asked = request.into_inner();
        if asked.chan_id == 0 && asked.chan_point.is_empty() {
            return Err(Status::unknown("specify either chan_id or chan_point"));
        }
        let scid = (asked.chan_id != 0).then(|| Scid::new(asked.chan_id));
        if scid.is_none() && asked.chan_point.parse::<ChannelPoint>().is_err() {
            return Err(Status::unknown("outpoint should be of the form txid:index"));
        }
        self.see(|world, own| {
            let mut known = graph::known(world, own.id);
            let found = known.find(|channel| match scid {
                Some(_) => channel.scid == scid,
                None => channel.point.to_string() == asked.chan_point,
            });
            let found = found.ok_or_else(|| {
                Status::not_found(match scid {
                    Some(_) => "edge not found".to_owned(),
                    None => format!("edge not found: op={}", asked.chan_point),
                })
            })?;
            Ok(graph::edge(world, found))
        })
    }

    async fn add_invoice(
        &self,
        request: Request<lnrpc::Invoice>,
    ) -> Result<Response<lnrpc::AddInvoiceResponse>, Status> {
        let asked = request.into_inner();
        if !asked.description_hash.is_empty() || asked.is_amp || asked.is_blinded {
            return Err(Status::unimplemented("a simulated node invoices by memo alone"));
        }
        let wanted = NewInvoice {
            memo: memo(asked.memo)?,
            amount: amount(asked.value, asked.value_msat)?,
            to_live: to_live(asked.expiry)?,
            cltv: cltv(asked.cltv_expiry)?,
            is_private: asked.private,
            lock: match asked.r_preimage.as_slice() {
                [] => Lock::Own,
                bytes => Lock::Known(preimage(bytes)?),
            },
        };
        self.shared.with(|world, _| {
            let made = world.add_invoice(self.id, wanted);
            let made = made.map_err(|error| Status::unknown(error.to_string()))?;
            Ok(Response::new(lnrpc::AddInvoiceResponse {
                r_hash: made.hash.as_bytes().to_vec(),
                payment_request: made.request.clone(),
                add_index: made.add_index,
                payment_addr: made.secret.to_vec(),
            }))
        })
    }

    async fn lookup_invoice(
        &self,
        request: Request<lnrpc::PaymentHash>,
    ) -> Result<Response<lnrpc::Invoice>, Status> {
        let bytes = request.into_inner().r_hash;
        let hash = hash(&bytes).map_err(|_| {
            let length = bytes.len();
            Status::unknown(format!("payment hash must be exactly 32 bytes, is instead {length}"))
        })?;
        self.look_up(hash)
    }

    async fn decode_pay_req(
        &self,
        request: Request<lnrpc::PayReqString>,
    ) -> Result<Response<lnrpc::PayReq>, Status> {
        let text = request.into_inner().pay_req;
        invoices::request(text.trim()).map(Response::new).map_err(Status::unknown)
    }

    async fn sign_message(
        &self,
        request: Request<lnrpc::SignMessageRequest>,
    ) -> Result<Response<lnrpc::SignMessageResponse>, Status> {
        let text = request.into_inner().msg;
        if text.is_empty() {
            return Err(Status::unknown("need a message to sign"));
        }
        self.see(|_, own| Ok(lnrpc::SignMessageResponse { signature: own.sign(&text) }))
    }

    async fn verify_message(
        &self,
        request: Request<lnrpc::VerifyMessageRequest>,
    ) -> Result<Response<lnrpc::VerifyMessageResponse>, Status> {
        let lnrpc::VerifyMessageRequest { msg, signature } = request.into_inner();
        let signer = world::node::signer(&signature, &msg);
        self.see(|world, _| {
            Ok(lnrpc::VerifyMessageResponse {
                // lnd believes those alone that it knows.
                valid: signer.is_some_and(|signer| graph::is_known(world, signer)),
                pubkey: signer.map_or_else(String::new, |signer| signer.to_string()),
            })
        })
    }

    async fn wallet_balance(
        &self,
        _: Request<lnrpc::WalletBalanceRequest>,
    ) -> Result<Response<lnrpc::WalletBalanceResponse>, Status> {
        self.see(|_, own| Ok(node::wallet(own)))
    }

    async fn channel_balance(
        &self,
        _: Request<lnrpc::ChannelBalanceRequest>,
    ) -> Result<Response<lnrpc::ChannelBalanceResponse>, Status> {
        self.see(|world, own| Ok(node::in_channels(world, own.id)))
    }

    async fn connect_peer(
        &self,
        request: Request<lnrpc::ConnectPeerRequest>,
    ) -> Result<Response<lnrpc::ConnectPeerResponse>, Status> {
        let asked = request.into_inner().addr;
        let lnrpc::LightningAddress { pubkey, host } =
            asked.ok_or_else(|| Status::unknown("need: lnc pubkeyhash@hostname"))?;
        let other = node_id(&pubkey)?;
        if other == self.id {
            return Err(Status::unknown("cannot make connection to self"));
        }
        self.shared.with(|world, _| {
            if world.are_connected(self.id, other) {
                return Err(Status::unknown(format!("already connected to peer: {pubkey}@{host}")));
            }
            if !world.node(other).is_some_and(|node| node.is_up) {
                return Err(Status::unknown(format!(
                    "dial tcp {host}: connect: connection refused"
                )));
            }
            world.connect(self.id, other);
            let status = format!("connection to {pubkey}@{host} initiated");
            Ok(Response::new(lnrpc::ConnectPeerResponse { status }))
        })
    }

    async fn disconnect_peer(
        &self,
        request: Request<lnrpc::DisconnectPeerRequest>,
    ) -> Result<Response<lnrpc::DisconnectPeerResponse>, Status> {
        let other = node_id(&request.into_inner().pub_key)?;
        self.shared.with(|world, _| {
            if !world.are_connected(self.id, other) {
                let told = format!("unable to disconnect peer: peer {other} is not connected");
                return Err(Status::unknown(told));
            }
            world.disconnect(self.id, other);
            let status = "disconnect initiated".to_owned();
            Ok(Response::new(lnrpc::DisconnectPeerResponse { status }))
        })
    }

    async fn list_peers(
        &self,
        _: Request<lnrpc::ListPeersRequest>,
    ) -> Result<Response<lnrpc::ListPeersResponse>, Status> {
        self.see(|world, own| {
            let peers = node::peers(world, own.id).map(|other| node::peer(world, own.id, other));
            Ok(lnrpc::ListPeersResponse { peers: peers.collect() })
        })
    }

    async fn open_channel(
        &self,
        request: Request<lnrpc::OpenChannelRequest>,
    ) -> Result<Response<BoxStream<lnrpc::OpenStatusUpdate>>, Status> {
        self.open(&request.into_inner()).map(Response::new)
    }

    async fn open_channel_sync(
        &self,
        request: Request<lnrpc::OpenChannelRequest>,
    ) -> Result<Response<lnrpc::ChannelPoint>, Status> {
        let point = self.fund(&request.into_inner())?;
        Ok(Response::new(super::convert::point(point)))
    }

    async fn close_channel(
        &self,
        request: Request<lnrpc::CloseChannelRequest>,
    ) -> Result<Response<BoxStream<lnrpc::CloseStatusUpdate>>, Status> {
        self.close(request.into_inner()).map(Response::new)
    }

    async fn pending_channels(
        &self,
        _: Request<lnrpc::PendingChannelsRequest>,
    ) -> Result<Response<lnrpc::PendingChannelsResponse>, Status> {
        self.see(|world, own| Ok(channels::pending(world, own.id)))
    }

    async fn update_channel_policy(
        &self,
        request: Request<lnrpc::PolicyUpdateRequest>,
    ) -> Result<Response<lnrpc::PolicyUpdateResponse>, Status> {
        self.set_policies(&request.into_inner()).map(Response::new)
    }

    async fn describe_graph(
        &self,
        request: Request<lnrpc::ChannelGraphRequest>,
    ) -> Result<Response<lnrpc::ChannelGraph>, Status> {
        let is_all = request.into_inner().include_unannounced;
        self.see(|world, own| {
            let edges = graph::known(world, own.id)
                .filter(|channel| is_all || graph::is_public(world, channel))
                .map(|channel| graph::edge(world, channel));
            let nodes = world.nodes.values();
            let nodes = nodes.filter(|it| it.id == own.id || graph::is_known(world, it.id));
            Ok(lnrpc::ChannelGraph {
                nodes: nodes.map(|it| graph::node(world, it)).collect(),
                edges: edges.collect(),
            })
        })
    }

    async fn get_node_info(
        &self,
        request: Request<lnrpc::NodeInfoRequest>,
    ) -> Result<Response<lnrpc::NodeInfo>, Status> {
        let asked = request.into_inner();
        let id = node_id(&asked.pub_key)?;
        self.see(|world, own| {
            let is_known = id == own.id || graph::is_known(world, id);
            let found = world.node(id).filter(|_| is_known);
            let found = found.ok_or_else(|| Status::not_found("unable to find node"))?;
            let known = || graph::known(world, own.id).filter(|it| it.side(id).is_some());
            let capacity = known().map(|channel| channel.capacity.sat()).sum();
            let edges = known().filter(|_| asked.include_channels);
            Ok(lnrpc::NodeInfo {
                node: Some(graph::node(world, found)),
                num_channels: u32::try_from(known().count()).unwrap_or(u32::MAX),
                total_capacity: signed(capacity),
                channels: edges.map(|channel| graph::edge(world, channel)).collect(),
            })
        })
    }

    async fn list_invoices(
        &self,
        request: Request<lnrpc::ListInvoiceRequest>,
    ) -> Result<Response<lnrpc::ListInvoiceResponse>, Status> {
        self.see(|_, own| Ok(lists::invoices(own, &request.into_inner())))
    }

    async fn subscribe_invoices(
        &self,
        request: Request<lnrpc::InvoiceSubscription>,
    ) -> Result<Response<BoxStream<lnrpc::Invoice>>, Status> {
        let told = self.follow_invoices(&request.into_inner());
        Ok(Response::new(begun(told).await))
    }

    async fn list_payments(
        &self,
        request: Request<lnrpc::ListPaymentsRequest>,
    ) -> Result<Response<lnrpc::ListPaymentsResponse>, Status> {
        self.see(|world, own| Ok(lists::payments(world, own, &request.into_inner())))
    }

    async fn bake_macaroon(
        &self,
        request: Request<lnrpc::BakeMacaroonRequest>,
    ) -> Result<Response<lnrpc::BakeMacaroonResponse>, Status> {
        let asked = request.into_inner();
        let wanted: Vec<Permission> =
            asked.permissions.iter().map(|it| Permission::new(&it.entity, &it.action)).collect();
        let fault = permissions::fault(&wanted);
        if let Some(fault) = fault.filter(|_| !asked.allow_external_permissions) {
            return Err(Status::unknown(fault));
        }
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| Status::unknown(error.to_string()))?;
        let macaroon = self.oven.bake(asked.root_key_id, nonce, &wanted);
        let macaroon = data_encoding::HEXLOWER.encode(&macaroon);
        Ok(Response::new(lnrpc::BakeMacaroonResponse { macaroon }))
    }
}

impl Node {
    /// Answers with what is seen in the world, of the node and around it.
    fn see<T>(
        &self,
        look: impl FnOnce(&World, &world::node::Node) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        self.shared.with(|world, _| {
            let own = world.node(self.id).ok_or_else(|| Status::unavailable("it is gone"))?;
            look(world, own).map(Response::new)
        })
    }
}

/// The channels that a node lists: as they are, or as they were when a fault began.
fn told_channels<'a>(world: &'a World, own: &'a world::node::Node) -> Vec<(&'a Channel, Side)> {
    match &own.faults.stale {
        Some(stale) => {
            let sides = stale.iter().map(|it| (it, it.side(own.id)));
            sides.filter_map(|(it, side)| Some((it, side?))).collect()
        }
        None => world.channels_of(own.id).collect(),
    }
}

/// A node's key as it is given in hex.
fn node_id(text: &str) -> Result<NodeId, Status> {
    text.parse().map_err(|error: crate::ids::IdError| Status::unknown(error.to_string()))
}

/// A channel as it is given.
fn channel_point(told: Option<&lnrpc::ChannelPoint>) -> Result<ChannelPoint, Status> {
    use lnrpc::channel_point::FundingTxid;
    let missing = || Status::unknown("must specify channel point in request");
    let told = told.ok_or_else(missing)?;
    let unreadable = || Status::unknown("the channel point's txid is not of 32 bytes");
    let txid = match told.funding_txid.as_ref().ok_or_else(missing)? {
        FundingTxid::FundingTxidBytes(bytes) => {
            let mut bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| unreadable())?;
            bytes.reverse();
            bytes
        }
        FundingTxid::FundingTxidStr(text) => {
            let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
            let bytes = bytes.map_err(|_| unreadable())?;
            <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| unreadable())?
        }
    };
    Ok(ChannelPoint::new(txid, told.output_index))
}
