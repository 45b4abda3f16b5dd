//! HTML that is put together so that nothing of what is said is taken for a tag.

/// A piece of a page. Tags are words of the program's own; all else goes through [`Html::text`].
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Tags, as they are.
    pub(super) fn tags(&mut self, tags: &'static str) -> &mut Self {
        self.0.push_str(tags);
        self
    }

    /// A text, in an element or in the quotes of an attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Paragraphs of Markdown: of it code, bold and links, which is all that our texts have.
    pub(super) fn paragraphs(&mut self, markdown: &str) -> &mut Self {
        for paragraph in markdown.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            self.tags("<p>").sentence(paragraph).tags("</p>\n");
        }
        self
    }

    /// A piece of Markdown without paragraphs.
    pub(super) fn sentence(&mut self, markdown: &str) -> &mut Self {
        // What stands between backticks is every second part.
        for (number, part) in markdown.split('`').enumerate() {
            match number % 2 {
                0 => self.bold(part),
                _ => self.tags("<code>").text(part).tags("</code>"),
            };
        }
        self
    }

    fn bold(&mut self, markdown: &str) -> &mut Self {
        for (number, part) in markdown.split("**").enumerate() {
            match number % 2 {
                0 => self.links(part),
                _ => self.tags("<strong>").text(part).tags("</strong>"),
            };
        }
        self
    }

    fn links(&mut self, markdown: &str) -> &mut Self {
        let mut rest = markdown;
        while let Some((before, label, target, after)) = link(rest) {
            self.text(before).tags("<a href=\"").text(target).tags("\" rel=\"noreferrer\">");
            self.text(label).tags("</a>");
            rest = after;
        }
        self.text(rest)
    }

    /// The whole.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The first link to a page of the web: what stands before it, its label, its target, and the rest.
fn link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, rest) = text.split_once("](https://")?;
    let opened = before.rfind('[')?;
    let target = &text[before.len() + 2..];
    let end = rest.find(')')? + "https://".len();
    Some((&text[..opened], &before[opened + 1..], &target[..end], &target[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_tags() {
        let check = |markdown: &str, expected: &str| {
            let mut html = Html::default();
            html.sentence(markdown);
            assert_eq!(html.into_text(), expected, "{markdown}");
        };
        check("a < b & \"c\" 'd'", "a &lt; b &amp; &quot;c&quot; &#39;d&#39;");
        check("`<b>` and **<i>**", "<code>&lt;b&gt;</code> and <strong>&lt;i&gt;</strong>");
        check(
            "[<FCM>](https://a.example/?b=1&c=\"2\"), so",
            "<a href=\"https://a.example/?b=1&amp;c=&quot;2&quot;\" rel=\"noreferrer\">&lt;FCM&gt;</a>, so",
        );
        // Nothing else is made a link.
        check("[a](javascript:alert(1))", "[a](javascript:alert(1))");
        check("a](https://b", "a](https://b");
    }
}
