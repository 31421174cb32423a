//! From LND's messages to the core's vocabulary.
//!
//! Amounts come in satoshis, rounded down, and in signed integers; whatever cannot be right makes
//! the whole message unreadable. Nothing is judged here beyond that.

use super::{Info, LndError};
use crate::core::channel::{Channel, Commitment, Constraints, Htlc};
use crate::core::invoice::Network;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, Scid};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::CommitmentType;
use crate::units::{Msat, Sat};

/// The status of a channel that is open and wants for nothing.
const ORDINARY_STATUS: &str = "ChanStatusDefault";
/// The first version of lnd that tells of each change of a balance.
const TELLS_UPDATES: (u32, u32) = (0, 21);

/// What a node says of itself.
pub(super) fn info(info: lnrpc::GetInfoResponse) -> Result<Info, LndError> {
    let id = info.identity_pubkey.parse().map_err(|_| LndError::Unreadable {
        what: "identity_pubkey",
        found: info.identity_pubkey.clone(),
    })?;
    let chain = info.chains.first().map_or("", |chain| chain.network.as_str());
    let network = match chain {
        "mainnet" => Network::Mainnet,
        "testnet" | "testnet4" => Network::Testnet,
        "signet" => Network::Signet,
        "regtest" => Network::Regtest,
        _ => return Err(LndError::Unreadable { what: "chain", found: chain.to_owned() }),
    };
    Ok(Info {
        id,
        alias: info.alias,
        supports_channel_updates: release(&info.version).is_some_and(|it| it >= TELLS_UPDATES),
        version: info.version,
        network,
        height: info.block_height,
        is_synced: info.synced_to_chain,
    })
}

/// The first two numbers of a version such as `0.21.2-beta commit=v0.21.2-beta`.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A channel as its node tells it; `Err` names the field that cannot be read.
pub(super) fn channel(channel: &lnrpc::Channel) -> Result<Channel, &'static str> {
    let kind = CommitmentType::try_from(channel.commitment_type).ok();
    let commitment = kind.and_then(commitment);
    // Each of the further ids is missing, nought, or one that is listed twice, as it pleases.
    let mut other_scids: Vec<_> = channel
        .alias_scids
        .iter()
        .chain([&channel.zero_conf_confirmed_scid, &channel.peer_scid_alias])
        .filter(|scid| **scid != 0 && **scid != channel.chan_id)
        .map(|scid| Scid::new(*scid))
        .collect();
    other_scids.sort_unstable();
    other_scids.dedup();
    Ok(Channel {
        point: channel.channel_point.parse::<ChannelPoint>().map_err(|_| "channel_point")?,
        counterparty: channel.remote_pubkey.parse::<NodeId>().map_err(|_| "remote_pubkey")?,
        scid: Scid::new(channel.chan_id),
        other_scids,
        peer_scid: if channel.zero_conf && channel.peer_scid_alias != 0 {
            Scid::new(channel.peer_scid_alias)
        } else {
            Scid::new(channel.chan_id)
        },
        capacity: sat(channel.capacity).ok_or("capacity")?,
        local: sat(channel.local_balance).ok_or("local_balance")?,
        remote: sat(channel.remote_balance).ok_or("remote_balance")?,
        htlcs: channel
            .pending_htlcs
            .iter()
            .map(htlc)
            .collect::<Option<_>>()
            .ok_or("pending_htlcs")?,
        updates: channel.num_updates,
        is_active: channel.active,
        is_ordinary: channel.chan_status_flags == ORDINARY_STATUS
            && channel.custom_channel_data.is_empty()
            && commitment.is_some(),
        is_initiator: channel.initiator,
        // Of an unknown kind, the heaviest; it is not ordinary anyway.
        commitment: commitment.unwrap_or(Commitment::Anchors),
        fee_per_kw: u64::try_from(channel.fee_per_kw).map_err(|_| "fee_per_kw")?,
        ours: constraints(channel.local_constraints.as_ref()).ok_or("local_constraints")?,
        theirs: constraints(channel.remote_constraints.as_ref()).ok_or("remote_constraints")?,
    })
}

/// How the commitment transactions of a kind of channel are built; `None` of a kind that is not
/// ours to touch.
const fn commitment(kind: CommitmentType) -> Option<Commitment> {
    match kind {
        CommitmentType::Legacy | CommitmentType::StaticRemoteKey => Some(Commitment::Plain),
        CommitmentType::Anchors | CommitmentType::ScriptEnforcedLease => Some(Commitment::Anchors),
        CommitmentType::SimpleTaproot | CommitmentType::SimpleTaprootFinal => {
            Some(Commitment::Taproot)
        }
        // The overlay carries assets.
        CommitmentType::UnknownCommitmentType | CommitmentType::SimpleTaprootOverlay => None,
    }
}

fn htlc(htlc: &lnrpc::Htlc) -> Option<Htlc> {
    Some(Htlc {
        is_incoming: htlc.incoming,
        amount: sat(htlc.amount)?,
        hash: PaymentHash::from_slice(&htlc.hash_lock).ok()?,
    })
}

fn constraints(bounds: Option<&lnrpc::ChannelConstraints>) -> Option<Constraints> {
    let bounds = bounds?;
    Some(Constraints {
        reserve: Sat::new(bounds.chan_reserve_sat).msat(),
        htlc_min: Msat::new(bounds.min_htlc_msat),
        in_flight_max: Msat::new(bounds.max_pending_amt_msat),
        htlcs_max: bounds.max_accepted_htlcs,
    })
}

/// An amount in satoshis; `None` of one that no channel can hold.
fn sat(sat: i64) -> Option<Msat> {
    u64::try_from(sat).ok()?.checked_mul(1000).map(Msat::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel as lnd lists it.
    fn listed() -> lnrpc::Channel {
        let bounds = lnrpc::ChannelConstraints {
            chan_reserve_sat: 10_000,
            max_pending_amt_msat: 990_000_000,
            min_htlc_msat: 1,
            max_accepted_htlcs: 483,
            ..Default::default()
        };
        lnrpc::Channel {
            active: true,
            remote_pubkey: "02".repeat(33),
            channel_point: format!("{}:1", "0f".repeat(32)),
            chan_id: 869_059_488_412_139_521,
            capacity: 1_000_000,
            local_balance: 600_000,
            remote_balance: 395_870,
            fee_per_kw: 2_500,
            num_updates: 7,
            pending_htlcs: vec![lnrpc::Htlc {
                incoming: true,
                amount: 1_000,
                hash_lock: vec![3; 32],
                ..Default::default()
            }],
            initiator: true,
            chan_status_flags: "ChanStatusDefault".to_owned(),
            commitment_type: CommitmentType::Anchors.into(),
            local_constraints: Some(bounds),
            remote_constraints: Some(bounds),
            ..Default::default()
        }
    }

    #[test]
    fn a_channel_reads_in_millisatoshis() {
        let read = channel(&listed()).expect("a channel");
        assert_eq!(read.scid.to_string(), "790405x3965x1");
        assert_eq!(read.local, Msat::new(600_000_000));
        assert_eq!(read.in_flight(), Msat::new(1_000_000));
        assert_eq!(read.ours.reserve, Msat::new(10_000_000));
        assert_eq!(read.ours.in_flight_max, Msat::new(990_000_000));
        assert!(read.is_ordinary && read.is_active && read.is_initiator);
    }

    #[test]
    fn a_zero_conf_channel_is_known_by_all_its_ids_once() {
        let read = channel(&lnrpc::Channel {
            chan_id: 5,
            alias_scids: vec![5, 6, 6, 0],
            zero_conf_confirmed_scid: 7,
            peer_scid_alias: 6,
            ..listed()
        });
        let ids = read.expect("a channel").other_scids;
        assert_eq!(ids, [Scid::new(6), Scid::new(7)]);
    }

    #[test]
    fn what_we_do_not_understand_is_not_ordinary() {
        let ordinary = |channel: lnrpc::Channel| super::channel(&channel).unwrap().is_ordinary;
        assert!(!ordinary(lnrpc::Channel { commitment_type: 99, ..listed() }));
        assert!(!ordinary(lnrpc::Channel { commitment_type: 0, ..listed() }));
        assert!(!ordinary(lnrpc::Channel { commitment_type: 6, ..listed() }));
        assert!(!ordinary(lnrpc::Channel { custom_channel_data: vec![1], ..listed() }));
        assert!(!ordinary(lnrpc::Channel {
            chan_status_flags: "ChanStatusBorked|ChanStatusRestored".to_owned(),
            ..listed()
        }));
        assert!(ordinary(lnrpc::Channel { commitment_type: 7, ..listed() }));
    }

    #[test]
    fn what_cannot_be_right_is_named() {
        check(lnrpc::Channel { channel_point: "none".to_owned(), ..listed() }, "channel_point");
        check(lnrpc::Channel { remote_pubkey: String::new(), ..listed() }, "remote_pubkey");
        check(lnrpc::Channel { local_balance: -1, ..listed() }, "local_balance");
        check(lnrpc::Channel { capacity: i64::MAX, ..listed() }, "capacity");
        check(lnrpc::Channel { fee_per_kw: -1, ..listed() }, "fee_per_kw");
        check(lnrpc::Channel { remote_constraints: None, ..listed() }, "remote_constraints");
        let pending_htlcs = vec![lnrpc::Htlc { hash_lock: vec![1], ..Default::default() }];
        check(lnrpc::Channel { pending_htlcs, ..listed() }, "pending_htlcs");
    }

    #[test]
    fn a_version_tells_whether_updates_come() {
        for (version, tells) in [
            ("0.21.2-beta commit=v0.21.2-beta", true),
            ("0.21.0-beta.rc1", true),
            ("v1.0.0", true),
            ("0.20.3-beta commit=v0.20.3-beta-dirty", false),
            ("0.9.0", false),
            ("master", false),
        ] {
            assert_eq!(release(version).is_some_and(|it| it >= TELLS_UPDATES), tells, "{version}");
        }
    }

    #[test]
    fn a_node_says_who_and_where_it_is() {
        let told = lnrpc::GetInfoResponse {
            identity_pubkey: "02".repeat(33),
            alias: "alice".to_owned(),
            block_height: 450,
            chains: vec![lnrpc::Chain { network: "regtest".to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let read = info(told.clone()).expect("an answer");
        assert_eq!((read.network, read.height, read.is_synced), (Network::Regtest, 450, false));
        let error = info(lnrpc::GetInfoResponse { chains: Vec::new(), ..told });
        assert_eq!(
            error.expect_err("no chain").to_string(),
            "the node's chain cannot be read: \"\""
        );
    }

    /// Checks which field of `listed` is found unreadable.
    #[track_caller]
    fn check(listed: lnrpc::Channel, field: &str) {
        assert_eq!(channel(&listed), Err(field));
    }
}
