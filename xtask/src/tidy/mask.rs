//! Blanks what the compiler does not read as code: comments and the insides of literals.
//!
//! Every character of them becomes a space and every line end stays, so that line numbers hold.
//! Quotes stay too: `""` in the result is a string that was.

/// The text with comments, strings and character literals blanked.
pub(crate) fn mask(text: &str) -> String {
    let mut masker = Masker { rest: text, out: String::with_capacity(text.len()) };
    while let Some(character) = masker.rest.chars().next() {
        if masker.rest.starts_with("//") {
            let end = masker.rest.find('\n').unwrap_or(masker.rest.len());
            masker.blank(end);
        } else if masker.rest.starts_with("/*") {
            let end = block_comment(masker.rest);
            masker.blank(end);
        } else if let Some(literal) = masker.literal() {
            masker.keep(literal.open);
            masker.blank(literal.inside);
            masker.keep(literal.close);
        } else {
            masker.keep(character.len_utf8());
        }
    }
    masker.out
}

struct Masker<'a> {
    rest: &'a str,
    out: String,
}

/// A literal's parts, as lengths in bytes.
struct Literal {
    open: usize,
    inside: usize,
    close: usize,
}

impl Masker<'_> {
    fn keep(&mut self, bytes: usize) {
        let (kept, rest) = self.rest.split_at(bytes);
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, bytes: usize) {
        let (gone, rest) = self.rest.split_at(bytes);
        self.out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    /// The literal that starts here, if one does.
    fn literal(&self) -> Option<Literal> {
        // `b"`, `c"`, `br#"` and so on start with a letter; it must not be the end of a name.
        let after_name =
            self.out.ends_with(|character: char| character.is_alphanumeric() || character == '_');
        let prefix = self.rest.bytes().take_while(|byte| b"bcr".contains(byte)).count();
        if prefix > 0 && (after_name || prefix > 2) {
            return None;
        }
        let after_prefix = &self.rest[prefix..];
        if self.rest[..prefix].contains('r') {
            let hashes = after_prefix.bytes().take_while(|byte| *byte == b'#').count();
            let inside = after_prefix[hashes..].strip_prefix('"')?;
            let close = format!("\"{}", "#".repeat(hashes));
            let length = inside.find(&close).unwrap_or(inside.len());
            let close = if length == inside.len() { 0 } else { close.len() };
            return Some(Literal { open: prefix + hashes + 1, inside: length, close });
        }
        match after_prefix.as_bytes().first()? {
            b'"' => Some(quoted(prefix, after_prefix, b'"')),
            b'\'' if is_character(after_prefix) => Some(quoted(prefix, after_prefix, b'\'')),
            _ => None,
        }
    }
}

/// Whether the `'` at the start opens a character and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}

/// A literal with escapes, from its opening quote to the closing one.
fn quoted(prefix: usize, text: &str, quote: u8) -> Literal {
    let bytes = text.as_bytes();
    let mut end = 1;
    while end < bytes.len() && bytes[end] != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    // An escape at the very end of a broken file must not point past it or into a character.
    while end < bytes.len() && !text.is_char_boundary(end) {
        end += 1;
    }
    let end = end.min(bytes.len());
    Literal { open: prefix + 1, inside: end - 1, close: usize::from(end < bytes.len()) }
}

/// The length of the block comment at the start; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(mask(text), expected);
    }

    #[test]
    fn comments_go_and_lines_stay() {
        check("a // b\nc", "a     \nc");
        check("a /* b\n/* c */ d */ e", "a     \n             e");
        check("/// `tokio::spawn`\nfn a() {}", "                  \nfn a() {}");
    }

    #[test]
    fn strings_keep_their_quotes() {
        check(r#"f("a\"b", 1)"#, r#"f("    ", 1)"#);
        check("f(\"a\nb\")", "f(\" \n \")");
        check("\"// no comment\" x", "\"             \" x");
    }

    #[test]
    fn raw_and_byte_strings_are_strings() {
        check("r#\"a\"b\"# c", "r#\"   \"# c");
        check("br\"a\\\" b", "br\"  \" b");
        check("b\"a\" b", "b\" \" b");
        check("r#type r", "r#type r");
        check("number\"a\"", "number\" \"");
    }

    #[test]
    fn characters_are_not_lifetimes() {
        check("'a' '{' '\\'' b'x'", "' ' ' ' '  ' b' '");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("'ä'", "' '");
    }

    #[test]
    fn a_broken_file_is_no_trouble() {
        for text in ["\"a\\", "\"ä\\ä", "'", "'\\", "/* a", "r#\"a", "b'"] {
            assert_eq!(mask(text).chars().count(), text.chars().count(), "{text}");
        }
    }
}
