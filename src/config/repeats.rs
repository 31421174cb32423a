//! Finds keys that stand twice in one JSON object.
//!
//! JSON readers take the last one without a word. A limit that is written twice should not be
//! decided by the order of lines.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::schema::join;

/// The paths of the keys that stand twice in `text`; none where it is not JSON.
pub(super) fn find(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let seek = Seek { key: String::new(), found: &mut found };
    match seek.deserialize(&mut serde_json::Deserializer::from_str(text)) {
        Ok(()) => found,
        Err(_) => Vec::new(),
    }
}

/// Looks through the value of one key.
struct Seek<'a> {
    key: String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let key = join(&self.key, &name);
            if !seen.insert(name) {
                self.found.push(key.clone());
            }
            map.next_value_seed(Seek { key, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        loop {
            let key = format!("{}[{index}]", self.key);
            if items.next_element_seed(Seek { key, found: &mut *self.found })?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_found_at_every_depth_and_only_within_one_object() {
        for (text, found) in [
            (r#"{ "a": 1, "b": { "a": 1 }, "c": [{ "a": 1 }, { "a": 1 }] }"#, &[][..]),
            (r#"{ "a": 1, "a": 2 }"#, &["a"]),
            (
                r#"{ "a": { "b": 1, "b": null }, "c": [0, { "d": "x", "d": 1.5 }] }"#,
                &["a.b", "c[1].d"],
            ),
            (r#"{ "a": 1, "a": 2, }"#, &[]),
        ] {
            assert_eq!(find(text), found, "{text}");
        }
    }
}
