//! The gRPC stubs in the tree are what `proto/` says.
//!
//! `UPDATE_RPC=1 cargo test --test it rpc` writes them anew after a change of `proto/`.

use std::fs;
use std::path::Path;

/// The services that LND offers, one file each.
const PROTOS: [&str; 4] = ["lightning.proto", "router.proto", "invoices.proto", "state.proto"];
/// Their packages: one file of stubs each.
const PACKAGES: [&str; 3] = ["lnrpc", "routerrpc", "invoicesrpc"];

#[test]
fn the_stubs_are_those_of_the_protos() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().expect("a folder for the stubs");
    let protos = protox::compile(PROTOS, [root.join("proto")]).expect("protos that compile");
    tonic_prost_build::configure()
        .build_transport(false)
        // A server says of what it has not that it has it not.
        .generate_default_stubs(true)
        .emit_rerun_if_changed(false)
        .out_dir(fresh.path())
        .compile_fds(protos)
        .expect("stubs that generate");
    for package in PACKAGES {
        let file = format!("{package}.rs");
        let expected = fs::read_to_string(fresh.path().join(&file)).expect("fresh stubs");
        let committed = root.join("src/rpc").join(&file);
        if std::env::var_os("UPDATE_RPC").is_some() {
            fs::write(&committed, &expected).expect("stubs that can be written");
        }
        let found = fs::read_to_string(&committed).unwrap_or_default();
        assert!(found == expected, "src/rpc/{file} is not what proto/ says: UPDATE_RPC=1");
    }
}
