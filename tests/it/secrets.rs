//! What looks for secrets finds them: else no test that finds none would say anything. And what
//! the daemon's types show of themselves.

#[path = "../secrets.rs"]
mod search;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use data_encoding::{BASE64, BASE64_MIME, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use serde_json::{Value, json};
use tightrope::config::{self, ConfigError};

use search::Secrets;

/// A secret with every kind of byte: control characters, quotes, letters, beyond ASCII.
const BYTES: [u8; 20] =
    [0, 10, 32, 34, 92, 65, 66, 200, 255, 254, 7, 13, 99, 100, 101, 190, 175, 250, 222, 3];
/// A secret that is a text.
const TEXT: &str = "hush \"hush\" ☂ hush\\hush";

#[test]
fn a_secret_is_found_however_it_is_written() {
    let written: [(&str, Vec<u8>); 17] = [
        ("raw", BYTES.to_vec()),
        ("a byte string", format!("{:?}", bytes::Bytes::from_static(&BYTES)).into()),
        ("hex", HEXLOWER.encode(&BYTES).into()),
        ("hex in capitals", HEXUPPER.encode(&BYTES).into()),
        ("an id", format!("{:02x}", bytes::Bytes::from_static(&BYTES)).into()),
        ("base64", BASE64.encode(&BYTES).into()),
        ("base64 for addresses", BASE64URL_NOPAD.encode(&BYTES).into()),
        ("base64 in lines", BASE64_MIME.encode(&[[1; 55].as_slice(), &BYTES].concat()).into()),
        ("base58", bs58::encode(BYTES).into_vec()),
        ("Debug", format!("{BYTES:?}").into()),
        ("Debug of several lines", format!("{BYTES:#?}").into()),
        ("Debug in hex", format!("{BYTES:x?}").into()),
        ("Debug in hex of two digits", format!("{BYTES:02x?}").into()),
        ("Debug in prefixed hex", format!("{BYTES:#04x?}").into()),
        ("Debug in capital hex", format!("{BYTES:02X?}").into()),
        ("JSON", json!(BYTES).to_string().into()),
        ("JSON of several lines", serde_json::to_vec_pretty(&BYTES).expect("JSON")),
    ];
    for (form, written) in written {
        check(&BYTES, form, &written);
    }
    for (form, written) in [
        ("as it is", TEXT.to_owned()),
        ("Debug", format!("{TEXT:?}")),
        ("JSON", json!(TEXT).to_string()),
        ("Debug of its bytes", format!("{:?}", TEXT.as_bytes())),
    ] {
        check(TEXT.as_bytes(), form, written.as_bytes());
    }
}

#[test]
fn a_secret_is_found_wherever_it_stands_within_base64() {
    for before in 0..7 {
        for after in 0..7 {
            let whole = [vec![9; before], BYTES.to_vec(), vec![9; after]].concat();
            for written in [BASE64.encode(&whole), BASE64URL_NOPAD.encode(&whole)] {
                check(&BYTES, "base64", written.as_bytes());
            }
        }
    }
}

#[test]
fn the_signature_of_a_macaroon_is_found_without_its_beginning() {
    let macaroon: Vec<u8> = (0..100).collect();
    let mut secrets = Secrets::default();
    secrets.add_macaroon("the macaroon", &macaroon);
    assert_eq!(secrets.names().count(), 2);
    let shown = HEXLOWER.encode(&macaroon[60..]);
    let found = secrets.found_in(&shown);
    assert!(found.contains("the signature of the macaroon in hex"), "{found:?}");
    assert!(!found.contains("the macaroon in hex"), "{found:?}");
}

/// However a secret comes into the configuration, and whatever else is wrong with that.
#[test]
fn no_configuration_shows_a_secret() {
    let (secret, token) = ("correct horse battery staple", "0f3b5c7d9e1a2b4c6d8e");
    let macaroon: Vec<u8> = (100..180).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
        path
    };
    let credentials = folder.path().display().to_string();
    let secret_file = file("secret", secret.as_bytes());
    let macaroon_file = file("macaroon", &macaroon);
    let token_file = file("token", token.as_bytes());
    let mut secrets = Secrets::default();
    secrets.add("the secret", secret.as_bytes());
    secrets.add("the token", token.as_bytes());
    secrets.add_macaroon("the macaroon", &macaroon);
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

    let texts = [HEXLOWER.encode(&macaroon), BASE64.encode(&macaroon)];
    let node = |key: &str, value: Value| json!({ "socket": "127.0.0.1:1", key: value });
    let inline = |text: &String| {
        let node = json!({ "socket": "127.0.0.1:1", "macaroon": text, "cert": certificate });
        json!({ "secret": secret, "lightningNodes": [node] })
    };
    let mut good: Vec<Value> = texts.iter().map(inline).collect();
    good.push(json!({
        "secretFile": secret_file,
        "lightningNodes": [node("macaroonPath", json!(macaroon_file))],
        "control": { "listen": "127.0.0.1:1", "tokenFile": token_file },
    }));
    good.push(json!({
        "secretFile": "credential:secret",
        "lightningNodes": [node("macaroonPath", json!("credential:macaroon"))],
        "control": { "listen": "127.0.0.1:1", "tokenFile": "credential:token" },
    }));
    let texts = texts.iter().map(String::as_str).chain([secret, token]);
    let bad: Vec<Value> = texts.flat_map(|text| misplaced(&good[0], text)).collect();

    let load = |local: &Value| {
        file("local.json", local.to_string().as_bytes());
        let env = [("CREDENTIALS_DIRECTORY".to_owned(), credentials.clone())];
        config::load(folder.path(), env.into_iter(), json!({}))
    };
    for local in &good {
        let config = load(local).unwrap_or_else(|error| panic!("{local}: {error}"));
        let parts = format!("{:?} {:#?}", config.secret, config.nodes);
        let shown = format!("{config:?}\n{config:#?}\n{}\n{parts}", config.understood());
        secrets.assert_none_in(&format!("what was read of {local}"), shown);
    }
    for local in &bad {
        let error = load(local).expect_err(&format!("{local} is bad"));
        secrets.assert_none_in(&format!("what is wrong with {local}"), told(&error));
    }
}

/// Configurations that have `text` where none of its kind belongs.
fn misplaced(good: &Value, text: &str) -> Vec<Value> {
    let places = ["secretFile", "control", "announceInterval", "x", "control/tokenFile"];
    let of_node = ["macaroonPath", "certPath", "cert", "pubkey", "type", "macaron"];
    let of_node = of_node.map(|key| format!("lightningNodes/0/{key}"));
    let put = |place: String| {
        let mut config = good.clone();
        config["control"] = json!({ "listen": "127.0.0.1:1" });
        let place = format!("/{place}");
        let (parent, key) = place.rsplit_once('/').expect("a pointer");
        config.pointer_mut(parent).expect("an object")[key] = json!(text);
        config
    };
    places.map(str::to_owned).into_iter().chain(of_node).map(put).collect()
}

/// All that an error says.
fn told(error: &ConfigError) -> String {
    format!("{error}\n{error:?}\n{error:#?}")
}

/// Looks for `secret` in `written`, alone and among other things, and for what differs in a byte.
fn check(secret: &[u8], form: &str, written: &[u8]) {
    let mut secrets = Secrets::default();
    secrets.add("it", secret);
    let within = [b"{\"level\":\"INFO\",\"it\":\"", written, b"\"}\nand so on\n"].concat();
    for text in [written, &within] {
        assert!(!secrets.found_in(text).is_empty(), "{form} is not found");
    }
    for place in [0, secret.len() / 2, secret.len() - 1] {
        let mut other = secret.to_vec();
        other[place] ^= 0x55;
        let mut others = Secrets::default();
        others.add("another", &other);
        assert!(others.found_in(&within).is_empty(), "{form} is found in what it is not in");
    }
}
