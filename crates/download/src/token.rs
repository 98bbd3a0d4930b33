//! Access tokens of a hub, for gated and private repositories.

use std::path::Path;

/// An access token. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Parses a token, without surrounding whitespace; none if it is empty or invalid.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// The token that `huggingface_hub` would send: from the environment variable `HF_TOKEN`, else
    /// from the file that `HF_TOKEN_PATH` names, else from `token` in the folder `home`.
    pub(super) fn find(home: &Path) -> Option<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let from_file = || {
            let path = variable("HF_TOKEN_PATH").map_or_else(|| home.join("token"), Into::into);
            std::fs::read_to_string(path).ok()
        };
        Self::new(&variable("HF_TOKEN").or_else(from_file)?)
    }

    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_printed_nowhere() {
        let token = Token::new("hf_secret\r\n").unwrap();
        assert_eq!((token.bearer().as_str(), format!("{token:?}").as_str()), ("Bearer hf_secret", "Token(..)"));
        assert_eq!((Token::new(" \n"), Token::new("two words"), Token::new("hf_\u{e9}")), (None, None, None));
    }

    #[test]
    fn the_file_of_the_hub_s_own_client_is_read() {
        let home = tempfile::tempdir().unwrap();
        if std::env::var_os("HF_TOKEN").is_none() && std::env::var_os("HF_TOKEN_PATH").is_none() {
            assert_eq!(Token::find(home.path()), None);
            std::fs::write(home.path().join("token"), "hf_secret\n").unwrap();
            assert_eq!(Token::find(home.path()), Token::new("hf_secret"));
        }
    }
}
