//! [`Token`]: what callers over TCP show to be believed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::ControlError;

/// The shortest token that nobody guesses.
pub(super) const TOKEN_BYTES_MIN: usize = 16;

/// The longest token that is read: it has to fit into a header.
const TOKEN_BYTES_MAX: u64 = 4096;

/// A token, of which only the hash is kept.
#[derive(Clone, Copy)]
pub(super) struct Token([u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// Reads the token that stands in a file which others cannot read.
    pub(super) fn read(path: &Path) -> Result<Self, ControlError> {
        let unreadable = |source| ControlError::TokenUnreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(unreadable(io::ErrorKind::InvalidInput.into()));
        }
        if about.permissions().mode() & 0o007 != 0 {
            return Err(ControlError::TokenOpen { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        file.take(TOKEN_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
        let token = bytes.trim_ascii();
        if token.len() < TOKEN_BYTES_MIN || !token.iter().all(u8::is_ascii_graphic) {
            return Err(ControlError::TokenWeak { path: path.to_owned() });
        }
        Ok(Self::of(token))
    }

    /// Whether an `Authorization` header shows this token. How long that takes says nothing of how
    /// much of it was right, as hashes are compared, and those in constant time.
    pub(super) fn is_shown_by(&self, header: &[u8]) -> bool {
        let Some((scheme, shown)) = header.split_at_checked(b"Bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"Bearer ")
            && bool::from(Self::of(shown.trim_ascii()).0.ct_eq(&self.0))
    }

    fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Token, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        Token::read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_whole_token_opens_and_the_scheme_may_be_written_in_any_case() {
        let token = read("0123456789abcdef\n", 0o600).unwrap();
        for (header, is_right) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer 0123456789abcdef", true),
            ("Bearer  0123456789abcdef ", true),
            ("Bearer 0123456789abcdee", false),
            ("Bearer 0123456789abcde", false),
            ("Bearer ", false),
            ("Basic 0123456789abcdef", false),
            ("0123456789abcdef", false),
            ("", false),
        ] {
            assert_eq!(token.is_shown_by(header.as_bytes()), is_right, "{header:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn a_token_that_others_know_or_guess_is_refused_with_its_mend() {
        for (text, mode, word) in [
            ("0123456789abcdef", 0o644, "chmod 600"),
            ("0123456789abcdef", 0o602, "chmod 600"),
            ("0123456789abcde\n", 0o600, "at least 16"),
            ("two words are no token", 0o600, "one line"),
            ("", 0o600, "at least 16"),
        ] {
            let said = read(text, mode).expect_err(text);
            assert!(said.contains(word), "{text:?}: {said}");
        }
        assert!(read("0123456789abcdef", 0o640).is_ok(), "a group may share a token");
        let missing = Token::read(Path::new("/nowhere/token")).expect_err("no such file");
        assert!(missing.to_string().contains("control.tokenFile"), "{missing}");
    }
}
