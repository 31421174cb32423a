//! How the nodes of a network are reached, for people, for `lncli` and for Tightrope itself.

use serde_json::json;

use crate::simnet::NodeDoor;

/// What is printed of the nodes once they are up.
pub(super) fn text(doors: &[NodeDoor]) -> String {
    let nodes: String = doors.iter().map(node).collect();
    let settings = doors.iter().map(|door| format!("    {}", setting(door)));
    let settings = settings.collect::<Vec<_>>().join(",\n");
    format!("{nodes}for Tightrope's local.json:\n  \"lightningNodes\": [\n{settings}\n  ]\n\n")
}

fn node(door: &NodeDoor) -> String {
    let NodeDoor { alias, id, version, socket, .. } = door;
    let (cert, macaroon) = (door.certificate(), door.macaroon());
    let (cert, macaroon) = (cert.display(), macaroon.display());
    let lncli = format!(
        "lncli --network=regtest --rpcserver={socket} --tlscertpath='{cert}' \
        --macaroonpath='{macaroon}' getinfo"
    );
    [
        format!("{alias}\n"),
        format!("  lnd       {version}\n"),
        format!("  pubkey    {id}\n"),
        format!("  socket    {socket}\n"),
        format!("  cert      {cert}\n"),
        format!("  macaroon  {macaroon}\n"),
        format!("  {lncli}\n\n"),
    ]
    .concat()
}

/// A node as Tightrope's configuration names it.
fn setting(door: &NodeDoor) -> String {
    let (cert, macaroon) = (door.certificate(), door.macaroon());
    let (socket, cert, macaroon) = (json!(door.socket), json!(cert), json!(macaroon));
    format!("{{ \"socket\": {socket}, \"certPath\": {cert}, \"macaroonPath\": {macaroon} }}")
}
