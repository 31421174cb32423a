//! The gRPC stubs in the tree are what `proto/` says.
//!
//! `UPDATE_RPC=1 cargo test --test it rpc` writes them anew after a change of `proto/`. The
//! daemon speaks as a client only, so the servers' stubs stand with the tests.

use std::fs;
use std::path::Path;

/// The services that LND offers, one file each.
const PROTOS: [&str; 4] = ["lightning.proto", "router.proto", "invoices.proto", "state.proto"];
/// Their packages: one file of stubs each.
const PACKAGES: [&str; 3] = ["lnrpc", "routerrpc", "invoicesrpc"];

#[test]
fn the_clients_stubs_are_those_of_the_protos() {
    let generator = tonic_prost_build::configure().build_server(false);
    check("src/rpc", generator);
}

#[test]
fn the_servers_stubs_are_those_of_the_protos() {
    let mut generator =
        tonic_prost_build::configure().build_client(false).generate_default_stubs(true);
    for package in PACKAGES {
        let messages = format!("::tightrope::rpc::{package}");
        generator = generator.extern_path(format!(".{package}"), messages);
    }
    check("tests/fake/rpc", generator);
}

/// Compares what `generator` makes of `proto/` with the files in `folder`.
fn check(folder: &str, generator: tonic_prost_build::Builder) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().expect("a folder for the stubs");
    let protos = protox::compile(PROTOS, [root.join("proto")]).expect("protos that compile");
    generator
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(fresh.path())
        .compile_fds(protos)
        .expect("stubs that generate");
    for package in PACKAGES {
        let file = format!("{package}.rs");
        let expected = fs::read_to_string(fresh.path().join(&file)).expect("fresh stubs");
        let committed = root.join(folder).join(&file);
        if std::env::var_os("UPDATE_RPC").is_some() {
            fs::write(&committed, &expected).expect("stubs that can be written");
        }
        let found = fs::read_to_string(&committed).unwrap_or_default();
        assert!(
            found == expected,
            "{folder}/{file} is not what proto/ says: UPDATE_RPC=1 writes it anew"
        );
    }
}
