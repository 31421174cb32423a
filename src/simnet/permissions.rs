//! What each method of lnd's gRPC needs of a macaroon, and what lnd's own macaroons permit.
//!
//! The tables are lnd's, of the services that its release builds always have; they name methods
//! that the simulated nodes do not serve too, as a macaroon can be baked for those.

/// The entity of a permission that names one method, as its action.
pub(crate) const URI: &str = "uri";

/// Something that a macaroon permits: an action on a kind of thing.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Permission {
    /// The kind of thing, such as `invoices`, or [`URI`].
    pub(crate) entity: String,
    /// What may be done to it, such as `read`, or the method.
    pub(crate) action: String,
}

impl Permission {
    /// The permission to do `action` to `entity`.
    pub(crate) fn new(entity: &str, action: &str) -> Self {
        Self { entity: entity.to_owned(), action: action.to_owned() }
    }
}

/// The kinds of things.
const ENTITIES: &str = "onchain offchain address message peers info invoices signer macaroon uri";
/// What may be done to them.
const ACTIONS: &str = "read write generate";

/// What methods of a service need: the service, permissions as `entity:action`, the methods.
type Row = (&'static str, &'static str, &'static str);

const LIGHTNING: &str = "lnrpc.Lightning";
const ROUTER: &str = "routerrpc.Router";
const INVOICES: &str = "invoicesrpc.Invoices";
/// It answers without a macaroon.
const STATE: &str = "lnrpc.State";

const METHODS: &[Row] = &[
    (STATE, "", "GetState SubscribeState"),
    (
        LIGHTNING,
        "info:read",
        "GetInfo GetRecoveryInfo DescribeGraph GetNodeMetrics GetChanInfo GetNodeInfo \
         QueryRoutes GetNetworkInfo SubscribeChannelGraph ListPermissions",
    ),
    (LIGHTNING, "info:write", "StopDaemon DebugLevel"),
    (LIGHTNING, "info:read offchain:read onchain:read peers:read", "GetDebugInfo"),
    (
        LIGHTNING,
        "onchain:read",
        "ListUnspent WalletBalance EstimateFee SubscribeTransactions GetTransactions",
    ),
    (LIGHTNING, "onchain:write", "SendCoins SendMany"),
    (LIGHTNING, "address:write", "NewAddress"),
    (LIGHTNING, "message:write", "SignMessage"),
    (LIGHTNING, "message:read", "VerifyMessage"),
    (LIGHTNING, "peers:write", "ConnectPeer DisconnectPeer"),
    (LIGHTNING, "peers:read", "ListPeers SubscribePeerEvents"),
    (
        LIGHTNING,
        "onchain:write offchain:write",
        "OpenChannel BatchOpenChannel OpenChannelSync CloseChannel ChannelAcceptor \
         FundingStateStep",
    ),
    (
        LIGHTNING,
        "offchain:read",
        "ChannelBalance PendingChannels ListChannels SubscribeChannelEvents ClosedChannels \
         ListPayments DecodePayReq FeeReport ForwardingHistory ExportChannelBackup \
         VerifyChanBackup ExportAllChannelBackups SubscribeChannelBackups \
         SubscribeCustomMessages LookupHtlcResolution ListAliases",
    ),
    (
        LIGHTNING,
        "offchain:write",
        "AbandonChannel DeletePayment DeleteAllPayments UpdateChannelPolicy \
         RestoreChannelBackups SendCustomMessage",
    ),
    (LIGHTNING, "invoices:write", "AddInvoice"),
    (LIGHTNING, "invoices:read", "LookupInvoice ListInvoices SubscribeInvoices"),
    (LIGHTNING, "macaroon:generate", "BakeMacaroon"),
    (LIGHTNING, "macaroon:read", "ListMacaroonIDs CheckMacaroonPermissions"),
    (LIGHTNING, "macaroon:write", "DeleteMacaroonID RegisterRPCMiddleware"),
    (
        ROUTER,
        "offchain:read",
        "TrackPaymentV2 TrackPayments EstimateRouteFee QueryMissionControl \
         GetMissionControlConfig QueryProbability BuildRoute SubscribeHtlcEvents",
    ),
    (
        ROUTER,
        "offchain:write",
        "SendPaymentV2 SendToRouteV2 XImportMissionControl SetMissionControlConfig \
         ResetMissionControl HtlcInterceptor UpdateChanStatus",
    ),
    (INVOICES, "invoices:read", "SubscribeSingleInvoice"),
    (
        INVOICES,
        "invoices:write",
        "SettleInvoice CancelInvoice AddHoldInvoice LookupInvoiceV2 HtlcModifier",
    ),
];

/// What a method needs, such as `/lnrpc.Lightning/GetInfo`; `None` of one that lnd has not.
pub(crate) fn needed(method: &str) -> Option<Vec<Permission>> {
    let (service, name) = method.strip_prefix('/')?.split_once('/')?;
    let mut rows = METHODS.iter().filter(|row| row.0 == service);
    let (_, needed, _) = rows.find(|row| is_word(row.2, name))?;
    let needed = needed.split_whitespace().filter_map(|it| it.split_once(':'));
    Some(needed.map(|(entity, action)| Permission::new(entity, action)).collect())
}

/// Whether lnd has a service of this name, such as `lnrpc.Lightning`.
pub(crate) fn is_service(name: &str) -> bool {
    METHODS.iter().any(|row| row.0 == name)
}

/// Whether `word` is one of the words of a text.
fn is_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|it| it == word)
}

/// What is wrong with permissions that are asked for, in lnd's words; `None`: nothing.
pub(crate) fn fault(permissions: &[Permission]) -> Option<String> {
    let known = format!("supported actions are [{ACTIONS}], supported entities are [{ENTITIES}]");
    if permissions.is_empty() {
        return Some(format!(
            "permission list cannot be empty. specify at least one action/entity pair. {known}"
        ));
    }
    permissions.iter().find_map(|permission| {
        if !is_word(ENTITIES, &permission.entity) {
            Some(format!("invalid permission entity. {known}"))
        } else if permission.entity == URI {
            needed(&permission.action).is_none().then(|| {
                "invalid permission action, must be an existing URI in the format \
                 /package.Service/MethodName"
                    .to_owned()
            })
        } else {
            (!is_word(ACTIONS, &permission.action))
                .then(|| format!("invalid permission action. {known}"))
        }
    })
}

/// What `admin.macaroon` permits: everything.
pub(crate) fn admin() -> Vec<Permission> {
    let written = ["onchain", "offchain", "address", "message", "peers", "info", "invoices"];
    let mut all = readonly();
    all.extend(written.map(|entity| Permission::new(entity, "write")));
    all.push(Permission::new("signer", "generate"));
    all.push(Permission::new("macaroon", "generate"));
    all.push(Permission::new("macaroon", "write"));
    all
}

/// What `readonly.macaroon` permits: to look at everything.
pub(crate) fn readonly() -> Vec<Permission> {
    let entities = ENTITIES.split_whitespace().filter(|entity| *entity != URI);
    entities.map(|entity| Permission::new(entity, "read")).collect()
}

/// What `invoice.macaroon` permits: to be paid.
pub(crate) fn invoice() -> Vec<Permission> {
    [
        ("invoices", "read"),
        ("invoices", "write"),
        ("address", "read"),
        ("address", "write"),
        ("onchain", "read"),
    ]
    .map(|(entity, action)| Permission::new(entity, action))
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_permitted_is_told_as_lnd_does() {
        check("info", "read", "");
        check(URI, "/lnrpc.Lightning/GetInfo", "");
        check(URI, "/lnrpc.Lightning/MakeCoffee", "invalid permission action, must be an existing");
        check("coffee", "read", "invalid permission entity. supported actions are [read write gen");
        check("info", "drink", "invalid permission action. supported actions are [read write gene");
        assert!(fault(&[]).is_some());
    }

    /// Checks how what is said of a permission begins.
    #[track_caller]
    fn check(entity: &str, action: &str, expected: &str) {
        let found = fault(&[Permission::new(entity, action)]).unwrap_or_default();
        assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{found}");
    }
}
