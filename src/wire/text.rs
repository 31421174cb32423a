//! Text from others, made safe to show: no control characters, and not too much of it.

/// The most characters of a node's name. BOLT 7 allows 32 bytes.
pub(super) const ALIAS_CHARS_MAX: usize = 32;

/// The most characters of a reason.
pub(super) const REASON_CHARS_MAX: usize = 256;

/// The most characters of a refusal's code, and of an unknown message's type.
pub(super) const CODE_CHARS_MAX: usize = 64;

/// The first `chars` characters of `text` that can be seen.
pub(super) fn clean(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !is_hidden(*c)).take(chars).collect()
}

/// Whether a character steers a terminal, a line or the direction of writing, or shows nothing.
const fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_loses_what_cannot_be_seen() {
        assert_eq!(clean("a\u{1b}[31mb\r\nc\u{202e}d\u{9b}e\u{200b}f\0", 99), "a[31mbcdef");
        assert_eq!(clean("Zoë ⚡ node", 99), "Zoë ⚡ node");
        assert_eq!(clean("\t\u{1f600}bc", 2), "\u{1f600}b");
    }
}
