//! [`Secrets`]: finds a secret in what was written, however it was put into text.
//!
//! It knows the ways in which bytes come to be written by accident: as they are, in hex, in base64
//! as a part of something longer, in base58, as a list of numbers. It does not find one that was
//! cut into pieces or encrypted.

use std::collections::{BTreeSet, HashMap};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER, Specification};

/// How much of a rendering is looked up at once; all are longer.
const START: usize = 8;
/// The least that can be looked for: less would be found by chance.
const BYTES_MIN: usize = 12;

/// What must not be found anywhere.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// What to look for, and what it is; without white space.
    renderings: Vec<(Vec<u8>, String)>,
    names: BTreeSet<String>,
}

impl Secrets {
    /// Looks for `secret` too, which is called `name` when it is found.
    pub(crate) fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= BYTES_MIN, "{name} is too short to be looked for");
        self.names.insert(name.to_owned());
        for (form, rendering) in renderings(secret) {
            assert!(rendering.len() >= START, "{name} {form} is too short to be looked for");
            self.renderings.push((without_space(&rendering), format!("{name} {form}")));
        }
    }

    /// Looks for a macaroon too, and for its signature alone, which is what makes it one.
    pub(crate) fn add_macaroon(&mut self, name: &str, macaroon: &[u8]) {
        self.add(name, macaroon);
        if let Some((_, signature)) = macaroon.split_last_chunk::<32>() {
            self.add(&format!("the signature of {name}"), signature);
        }
    }

    /// What is looked for.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The secrets that are in `written`, and how each is written there.
    pub(crate) fn found_in(&self, written: impl AsRef<[u8]>) -> BTreeSet<&str> {
        let mut starts: HashMap<&[u8], Vec<(&[u8], &str)>> = HashMap::new();
        for (rendering, name) in &self.renderings {
            starts.entry(&rendering[..START]).or_default().push((rendering, name));
        }
        // Lists and long encodings are broken into lines.
        let written = without_space(written.as_ref());
        let mut found = BTreeSet::new();
        for (at, start) in written.windows(START).enumerate() {
            for (rendering, name) in starts.get(start).into_iter().flatten() {
                if written[at..].starts_with(rendering) {
                    found.insert(*name);
                }
            }
        }
        found
    }

    /// Fails where `written`, which is called `what`, holds a secret.
    pub(crate) fn assert_none_in(&self, what: &str, written: impl AsRef<[u8]>) {
        let found = self.found_in(written);
        assert!(found.is_empty(), "{what} holds {found:?}");
    }
}

/// All that a secret may look like.
fn renderings(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let list = |number: fn(&u8) -> String| {
        let numbers: Vec<String> = secret.iter().map(number).collect();
        numbers.join(",").into_bytes()
    };
    let escaped: Vec<u8> = secret.iter().flat_map(|byte| byte.escape_ascii()).collect();
    let bytes = format!("{:?}", bytes::Bytes::copy_from_slice(secret));
    let mut all = vec![
        ("as it is", secret.to_vec()),
        ("escaped", escaped),
        ("escaped by Debug", bytes.as_bytes()[2..bytes.len() - 1].to_vec()),
        ("in hex", HEXLOWER.encode(secret).into_bytes()),
        ("in hex (capitals)", HEXUPPER.encode(secret).into_bytes()),
        ("in base58", bs58::encode(secret).into_vec()),
        ("in zbase32", zbase32(secret)),
        ("as a list", list(|byte| byte.to_string())),
        ("as a list in hex", list(|byte| format!("{byte:x}"))),
        ("as a list in hex of two digits", list(|byte| format!("{byte:02x}"))),
        ("as a list in prefixed hex", list(|byte| format!("{byte:#x}"))),
        ("as a list in prefixed hex of two digits", list(|byte| format!("{byte:#04x}"))),
        ("as a list in capital hex", list(|byte| format!("{byte:02X}"))),
    ];
    for before in 0..3 {
        all.push(("in base64", base64(&BASE64_NOPAD, before, secret)));
        all.push(("in base64url", base64(&BASE64URL_NOPAD, before, secret)));
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        // Quoted in JSON or by Debug.
        let quoted = serde_json::to_string(text).expect("a text");
        all.push(("quoted", quoted.trim_matches('"').as_bytes().to_vec()));
        all.push(("quoted by Debug", text.escape_debug().to_string().into_bytes()));
    }
    all
}

/// What `secret` looks like in base64 after so many other bytes, less the characters at either end
/// that depend on its neighbours.
fn base64(encoding: &data_encoding::Encoding, before: usize, secret: &[u8]) -> Vec<u8> {
    let bytes = [vec![0; before].as_slice(), secret].concat();
    let text = encoding.encode(&bytes).into_bytes();
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    text[first..end].to_vec()
}

/// As lnd writes signatures.
fn zbase32(secret: &[u8]) -> Vec<u8> {
    let mut alphabet = Specification::new();
    alphabet.symbols.push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
    alphabet.encoding().expect("an alphabet").encode(secret).into_bytes()
}

fn without_space(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}
